import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { io } from 'socket.io-client';
import { api, expectStatus, loginAdmin, registerUser, uploadAgent, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { operationsUrl, samples, scrape, total } from '../support/metrics.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { endless, good, publish, submit, trapping } from './agents.js';
import { ask } from './rows.js';

describe('the figures for Prometheus', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let worker: ServerProcess;
  let token: string;
  let operations: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    const env = { DATABASE_URL: database.url, METRICS_PORT: '0', QUEUE_USER_WINDOW: '2' };
    server = await startServer({ env });
    operations = await operationsUrl(server);
    token = (await registerUser(server.url)).token;
  });

  afterAll(async () => {
    await worker?.stop();
    await server?.stop();
    await database?.drop();
  });

  it('are there before anything has happened, so that the first burst of anything is an increase', async () => {
    const storage = [
      'zerostate_storage_operation_duration_seconds_count',
      'operation="get"',
      'outcome="error"',
    ] as const;
    // A store is opened when it is first used, if only to see whether it answers.
    const figures = await until('the store is open', async () => {
      const now = await scrape(operations);
      return samples(now, ...storage).length > 0 && now;
    });
    const watched = [
      storage,
      ['zerostate_sweeper_finds_total', 'kind="lost"'],
      ['zerostate_sandbox_runs_total', 'end="crashed"'],
      ['zerostate_virus_scans_total', 'outcome="away"'],
      ['zerostate_task_changes_total', 'status="failed"'],
      ['zerostate_task_changes_total', 'status="completed"'],
      ['zerostate_attempts_total', 'outcome="fault"'],
      ['zerostate_jobs_total', 'outcome="fault"'],
      ['zerostate_flood_refusals_total', 'reason="requests"'],
    ] as const;
    for (const [name, ...labels] of watched) expect([name, samples(figures, name, ...labels)]).toEqual([name, [0]]);
  });

  it('say of each dependency whether it answers, at every scrape', async () => {
    const client = new pg.Client(database.url);
    await client.connect();
    const up = (dependency: string) => async (): Promise<number> =>
      samples(await scrape(operations), 'zerostate_dependency_up', `dependency="${dependency}"`)[0];
    for (const dependency of ['database', 'migrations', 'queue', 'sandbox', 'storage']) {
      expect([dependency, await up(dependency)()]).toEqual([dependency, 1]);
    }
    const migrated = up('migrations');
    await client.query("UPDATE migrations SET name = name || '-gone' WHERE id = (SELECT max(id) FROM migrations)");
    await until('it is found down', async () => (await migrated()) === 0);
    await client.query("UPDATE migrations SET name = replace(name, '-gone', '')");
    await until('it is found up', async () => (await migrated()) === 1);
    await client.end();
  });

  it('follow tasks from the request to the settlement', async () => {
    const before = await scrape(operations);
    const owner = (await registerUser(server.url)).token;
    await publish(server.url, owner, 'sound', await good(), { price: '0.20', capabilities: ['measure'] });
    await publish(server.url, owner, 'broken', await trapping(), { price: '0.10', capabilities: ['measure'] });
    await publish(server.url, owner, 'endless', await endless(), { price: '0.10', capabilities: ['loop'] });
    expectStatus(await uploadAgent(server.url, owner, 'garbage', Buffer.from('no wasm')), 422);

    await waitForTask(server.url, token, await submit(server.url, token, 'measure', { priority: 'high' }), 'completed');
    await waitForTask(server.url, token, await submit(server.url, token, 'loop', { timeout_ms: 200 }), 'failed');

    const after = await scrape(operations);
    const grown = (name: string, ...labels: string[]) => total(after, name, ...labels) - total(before, name, ...labels);
    const route = 'route="/api/v1/tasks"';
    expect(grown('zerostate_http_request_duration_seconds_count', 'method="POST"', route, 'status="202"')).toBe(2);
    expect(grown('zerostate_tasks_submitted_total', 'priority="high"')).toBe(1);
    expect(grown('zerostate_task_changes_total', 'status="completed"')).toBe(1);
    expect(grown('zerostate_task_changes_total', 'status="failed"')).toBe(1);
    expect(grown('zerostate_auctions_total', 'competitive="false"', 'awarded="true"')).toBe(2);
    expect(grown('zerostate_auction_bids_sum')).toBe(3);
    expect(grown('zerostate_auction_duration_seconds_count')).toBeGreaterThanOrEqual(2);
    expect(grown('zerostate_attempts_total', 'outcome="trapped"')).toBe(1);
    expect(grown('zerostate_attempts_total', 'outcome="completed"')).toBe(1);
    expect(grown('zerostate_sandbox_kills_total', 'reason="timed_out"')).toBe(1);
    // The loop alone spends most of its 0.2 s of wall time; how much depends on what else this machine does.
    expect(grown('zerostate_sandbox_cpu_seconds_total')).toBeGreaterThan(0.01);
    expect(grown('zerostate_storage_operation_duration_seconds_count', 'driver="local"', 'operation="read"')).toBe(3);
    expect(grown('zerostate_uploads_total', 'outcome="published"')).toBe(3);
    expect(grown('zerostate_uploads_total', 'outcome="refused"')).toBe(1);
    expect(grown('zerostate_validations_total', 'code="NOT_WASM"')).toBe(1);
    expect(grown('zerostate_validations_total', 'code="OK"')).toBe(3);
    expect(total(after, 'zerostate_database_connections', 'pool="hot"')).toBeGreaterThan(0);
    expect(total(after, 'zerostate_database_connections', 'pool="general"')).toBeGreaterThan(0);
    expect(total(after, 'zerostate_sandbox_slots')).toBe(2);
    expect(total(after, 'zerostate_feed_last_seq')).toBeGreaterThan(8);
    expect(after.has('nodejs_eventloop_lag_p99_seconds')).toBe(true);
  });

  it('count every answer, and tell of no slow server where a client asks to be kept waiting', async () => {
    const answers = (figures: Map<string, number>, status: string) =>
      ['requests_total', 'request_duration_seconds_count'].map((name) =>
        total(figures, `zerostate_http_${name}`, 'method="POST"', 'route="/api/v1/tasks"', `status="${status}"`),
      );
    const before = await scrape(operations);
    const task = { required_capabilities: ['measure'], budget: 1, input: {} };
    const headers = { prefer: 'wait=30' };
    expectStatus(await api(server.url).post('/tasks', task, { token, headers }), 200);
    await submit(server.url, token, 'measure');
    const leaving = new AbortController();
    const left = fetch(`${server.url}/api/v1/tasks`, {
      method: 'POST',
      headers: { ...headers, authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...task, delay_ms: 3_600_000 }),
      signal: leaving.signal,
    }).catch(({ name }: Error) => name);
    const count = async (): Promise<number> =>
      total(await scrape(operations), 'zerostate_tasks_submitted_total', 'priority="normal"');
    const submitted = total(before, 'zerostate_tasks_submitted_total', 'priority="normal"') + 3;
    await until('the third one is stored', async () => (await count()) === submitted);
    leaving.abort();
    expect(await left).toBe('AbortError');

    // Counted when the connection is done with them, after the client has read them.
    const after = await until('all are counted', async () => {
      const now = await scrape(operations);
      return answers(now, '499')[0] === 1 && answers(now, '202')[0] > answers(before, '202')[0] && now;
    });
    const grown = (status: string) => answers(after, status).map((value, n) => value - answers(before, status)[n]);
    expect({ 200: grown('200'), 202: grown('202'), 499: grown('499') }).toEqual({
      200: [1, 0],
      202: [1, 1],
      499: [1, 0],
    });
  });

  it('count a stream of events, which has no end, by how it was answered', async () => {
    const streams = async () =>
      samples(await scrape(operations), 'zerostate_http_requests_total', 'route="/api/v1/events"');
    const leaving = new AbortController();
    const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
    await fetch(`${server.url}/api/v1/events`, { headers, signal: leaving.signal });
    leaving.abort();
    await until('it is counted', async () => (await streams()).length > 0);
    const labels = ['route="/api/v1/events"', 'status="200"'];
    expect(samples(await scrape(operations), 'zerostate_http_requests_total', ...labels)).toEqual([1]);
  });

  it('show what is queued and what of it may begin, by priority, and who is connected', async () => {
    const admin = await loginAdmin(server.url);
    expectStatus(await api(server.url).post('/queue/pause', undefined, { token: admin }), 200);
    await submit(server.url, token, 'measure', { priority: 'critical' });
    await submit(server.url, token, 'measure', { priority: 'low' });
    await submit(server.url, token, 'measure', { priority: 'normal' });
    await submit(server.url, token, 'measure', { delay_ms: 3_600_000 });
    const putOff = await ask(database.url, "SELECT FROM tasks WHERE status = 'queued' AND run_at > now()");
    const socket = io(server.url, { transports: ['websocket'], auth: { token } });
    await new Promise<void>((resolve) => socket.on('connect', resolve));
    const figures = await until('the figures show it', async () => {
      const now = await scrape(operations);
      const shown = total(now, 'zerostate_queue_entries', 'state="waiting"') === 1;
      return shown && total(now, 'zerostate_tasks_waiting') === 3 && now;
    });
    expect(total(figures, 'zerostate_queue_paused')).toBe(1);
    expect(total(figures, 'zerostate_tasks_waiting', 'priority="critical"')).toBe(1);
    expect(total(figures, 'zerostate_tasks_waiting', 'priority="high"')).toBe(0);
    expect(total(figures, 'zerostate_tasks_held', 'priority="normal"')).toBe(1);
    expect(total(figures, 'zerostate_tasks_queued')).toBe(3);
    expect(total(figures, 'zerostate_tasks_delayed')).toBe(putOff.length);
    for (const bound of ['size', 'delayed']) expect(total(figures, `zerostate_queue_max_${bound}`)).toBe(10_000);
    expect(total(figures, 'zerostate_tasks_oldest_waiting_seconds', 'priority="low"')).toBeGreaterThan(0);
    expect(total(figures, 'zerostate_tasks_oldest_waiting_seconds', 'priority="high"')).toBe(0);
    expect(total(figures, 'zerostate_gateway_sockets')).toBe(1);
    socket.disconnect();
    expectStatus(await api(server.url).post('/queue/resume', undefined, { token: admin }), 200);
  });

  it('have names by Prometheus conventions, and labels that no client chooses', async () => {
    await fetch(`${server.url}/no/such/${Date.now()}`);
    await fetch(`${server.url}/api/v1/agents/one-of-very-many`, { method: 'PROPFIND' });
    const text = await (await fetch(`${operations}/metrics`)).text();
    const types = [...text.matchAll(/^# TYPE (zerostate_\S+) (\w+)$/gm)].map(([, name, type]) => ({ name, type }));
    expect(types.length).toBeGreaterThan(30);
    const wrong = types.filter(({ name, type }) => {
      if (!/^[a-z_]+$/.test(name) || /_(ms|milliseconds|kb|mb)\b/.test(name)) return true;
      return (type === 'counter') !== name.endsWith('_total');
    });
    expect(wrong).toEqual([]);
    expect(text).not.toMatch(/no\/such|one-of-very-many|PROPFIND/);
    expect(text).not.toMatch(/="[0-9a-f]{8}-[0-9a-f]{4}-/);
  });

  it('are served by a worker without API, with its health', async () => {
    worker = await startServer({ env: { DATABASE_URL: database.url, METRICS_PORT: '0' }, roles: ['worker'] });
    const url = await operationsUrl(worker);
    expect(total(await scrape(url), 'zerostate_sandbox_slots')).toBe(2);
    expect(await (await fetch(`${url}/health/ready`)).json()).toMatchObject({ status: 'ready' });
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
    expect((await fetch(`${url}/api/v1/tasks`)).status).toBe(404);
    expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(405);
  });

  it('are for admins only at the port that is open to the world', async () => {
    const read = (headers: Record<string, string>) => fetch(`${server.url}/metrics`, { headers });
    expect((await read({})).status).toBe(401);
    expect((await read({ authorization: `Bearer ${token}` })).status).toBe(403);
    const answer = await read({ authorization: `Bearer ${await loginAdmin(server.url)}` });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    expect(await answer.text()).toContain('zerostate_tasks_submitted_total');
  });
});
