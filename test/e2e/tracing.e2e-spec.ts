import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newTrace, parseTraceparent, toTraceparent } from '../../src/common/trace-context.js';
import { freePort } from '../../src/database/embedded/free-port.js';
import { api, expectStatus, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { OtlpCollector, type ReceivedSpan } from '../support/otlp-collector.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { agent, endlessAtFirst, good, history, publish, submit, trapping } from './agents.js';
import { FeedSocket } from './feed-client.js';

describe('traces, sent to a collector by an API and its workers', () => {
  let collector: OtlpCollector;
  let database: TestDatabase;
  let dataDir: string;
  let env: Record<string, string>;
  let server: ServerProcess;
  let worker: ServerProcess;
  let user: TestUser;
  let feed: FeedSocket;

  beforeAll(async () => {
    collector = await OtlpCollector.start();
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-tracing-'));
    env = {
      DATABASE_URL: database.url,
      DATA_DIR: dataDir,
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
      OTEL_BSP_SCHEDULE_DELAY: '100',
    };
    server = await startServer({ roles: ['api'], env });
    worker = await startWorker();
    user = await registerUser(server.url);
    await publish(server.url, user.token, 'good', await good(), { capabilities: ['good'] });
    // Somebody looks on, so that there is something to deliver.
    feed = await FeedSocket.connect(server.url, { token: user.token });
  });

  afterAll(async () => {
    feed?.close();
    await Promise.all([server, worker].map((one) => one?.stop()));
    await collector?.stop();
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const startWorker = (): Promise<ServerProcess> =>
    startServer({
      roles: ['worker'],
      env: { ...env, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', SHUTDOWN_GRACE_MS: '0' },
    });

  const spansOf = (traceId: string): ReceivedSpan[] => collector.spans.filter((span) => span.traceId === traceId);

  /** The spans of a trace once so many of them have come whose parents are all there, as an indented list. */
  const treeOf = async (traceId: string, size: number, root: string): Promise<string[]> => {
    await until(`the trace has ${size} spans`, () => spansOf(traceId).length >= size);
    const spans = spansOf(traceId);
    const lines = (parent: string, depth: number): string[] =>
      spans
        .filter(({ parentSpanId }) => parentSpanId === parent)
        .map((span) => [`${'  '.repeat(depth)}${labelOf(span)}`, ...lines(span.spanId, depth + 1)])
        .toSorted(([one], [other]) => (one < other ? -1 : 1))
        .flat();
    return lines(root, 0);
  };

  it('follow a task from the request of somebody else’s trace through queue, auction and sandbox to its events', async () => {
    const caller = { ...newTrace(), sampled: true };
    const answer = await api(server.url).post(
      '/tasks',
      { required_capabilities: ['good'], budget: 10, input: {} },
      { token: user.token, headers: { traceparent: toTraceparent(caller) } },
    );
    const { id } = expectStatus(answer, 202).body;
    await waitForTask(server.url, user.token, id, 'completed');

    expect(await treeOf(caller.traceId, 14, caller.spanId)).toEqual([
      'POST /api/v1/tasks [server]',
      '  task.submit [producer]',
      '    event.deliver task.queued [producer]',
      '    task.process [consumer]',
      '      task.attempt 1 completed',
      '        binary.load',
      '        sandbox.run',
      '          event.deliver task.running [producer]',
      '      task.auction',
      '      task.award 1',
      '        event.deliver task.assigned [producer]',
      '      task.settle completed',
      '        event.deliver task.completed [producer]',
      '    task.queue',
    ]);
    const request = spansOf(caller.traceId).find(({ kind }) => kind === 'server');
    expect(parseTraceparent(answer.headers.get('traceresponse'))).toEqual({ ...caller, spanId: request?.spanId });
    expect(request?.attributes).toMatchObject({ 'http.response.status_code': 202, 'zerostate.task.id': id });
    const auction = spansOf(caller.traceId).find(({ name }) => name === 'task.auction');
    expect(auction?.attributes).toMatchObject({ 'zerostate.auction.bids': 1, 'zerostate.auction.competitive': false });
    for (const { resource } of [request, auction] as ReceivedSpan[]) {
      expect(resource).toMatchObject({ 'service.name': 'zerostate', 'deployment.environment.name': 'test' });
    }
    expect(request?.resource).toMatchObject({ 'zerostate.roles': ['api'], 'process.pid': server.pid });
    expect(auction?.resource).toMatchObject({ 'zerostate.roles': ['worker'], 'process.pid': worker.pid });
    expect(new Set(collector.encodings)).toEqual(new Set(['application/x-protobuf', 'application/json']));
  });

  it('show which attempt failed, and the one that took over', async () => {
    await publish(server.url, user.token, 'broken', await trapping(), { price: '0.1', capabilities: ['twice'] });
    await publish(server.url, user.token, 'sound', await good(), { price: '0.2', capabilities: ['twice'] });
    const { traceId, id } = await submitTraced('twice');
    await waitForTask(server.url, user.token, id, 'completed');

    expect(await treeOf(traceId, 19, '')).toEqual([
      'POST /api/v1/tasks [server]',
      '  task.submit [producer]',
      '    event.deliver task.queued [producer]',
      '    task.process [consumer]',
      '      task.attempt 1 trapped FAILED',
      '        binary.load',
      '        sandbox.run FAILED',
      '          event.deliver task.running [producer]',
      '      task.attempt 2 completed',
      '        sandbox.run',
      '          event.deliver task.running [producer]',
      '      task.auction',
      '      task.award 1',
      '        event.deliver task.assigned [producer]',
      '      task.award 2',
      '        event.deliver task.failover [producer]',
      '      task.settle completed',
      '        event.deliver task.completed [producer]',
      '    task.queue',
    ]);
    const failed = spansOf(traceId).find(({ attributes }) => attributes['zerostate.outcome'] === 'trapped');
    expect(failed?.attributes).toMatchObject({ 'error.type': 'AGENT_TRAPPED', 'zerostate.agent.name': 'broken' });
  });

  it('say why a task has failed, and link the request that tries it again', async () => {
    const { traceId, id } = await submitTraced('nobody-offers-this');
    await waitForTask(server.url, user.token, id, 'failed');
    const tree = await treeOf(traceId, 8, '');
    expect(tree).toContain('      task.auction FAILED');
    expect(tree).toContain('      task.settle failed FAILED');

    expectStatus(await api(server.url).post(`/tasks/${id}/retry`, {}, { token: user.token }), 202);
    const retry = await until('the retry is told', () => collector.spans.find(({ name }) => name === 'task.retry'));
    expect(retry.links).toEqual([traceId]);
    expect(retry.traceId).not.toBe(traceId);
    await until(
      'the retry runs in the trace of its own request',
      () => spansOf(retry.traceId).filter(({ name }) => name === 'task.process').length === 1,
    );
  });

  it('hold all tasks of a batch', async () => {
    const task = { required_capabilities: ['good'], budget: 10, input: {} };
    const answer = await api(server.url).post('/tasks/batch', { tasks: [task, task, task] }, { token: user.token });
    const ids: string[] = expectStatus(answer, 202).body.items.map((item: { id: string }) => item.id);
    const traceId = String(parseTraceparent(answer.headers.get('traceresponse'))?.traceId);
    for (const id of ids) await waitForTask(server.url, user.token, id, 'completed');

    const tree = await treeOf(traceId, 2 + 3 * 11, '');
    expect(tree.slice(0, 2)).toEqual(['POST /api/v1/tasks/batch [server]', '  task.submit [producer]']);
    expect(tree.filter((line) => line === '    task.process [consumer]')).toHaveLength(3);
    expect(tree.filter((line) => line === '      task.settle completed')).toHaveLength(3);
    const processed = spansOf(traceId).filter(({ name }) => name === 'task.process');
    expect(new Set(processed.map(({ attributes }) => attributes['zerostate.task.id']))).toEqual(new Set(ids));
  });

  it('go on where another worker takes the task over', async () => {
    await publish(server.url, user.token, 'slow', await endlessAtFirst(), { capabilities: ['slow'] });
    const { traceId, id } = await submitTraced('slow');
    await waitForTask(server.url, user.token, id, 'running');
    const [first, second] = [worker, await startWorker()];
    worker = second;
    await first.stop();
    await waitForTask(server.url, user.token, id, 'completed');

    const tree = await treeOf(traceId, 24, '');
    expect(tree.filter((line) => line.startsWith('    task.process'))).toHaveLength(2);
    expect(tree).toContain('      task.attempt 1 stopped');
    expect(tree).toContain('      task.requeue queued');
    expect(tree).toContain('      task.attempt 2 completed');
    const attempts = spansOf(traceId).filter(({ name }) => name === 'task.attempt');
    expect(new Set(attempts.map(({ resource }) => resource['process.pid']))).toEqual(new Set([first.pid, second.pid]));
  });

  it('are the ones that the log of each process names, and that events, agents and subscribers are handed', async () => {
    await publish(server.url, user.token, 'curious', await tellingEnvironment(), { capabilities: ['curious'] });
    const { traceId, id } = await submitTraced('curious');
    await waitForTask(server.url, user.token, id, 'completed');

    const line = (process: ServerProcess, msg: string): Promise<Record<string, unknown>> =>
      until(`${msg} is in the log`, () =>
        process
          .stdout()
          .split('\n')
          .filter((text) => text.startsWith('{') && text.includes(id))
          .map((text) => JSON.parse(text) as Record<string, unknown>)
          .find((entry) => entry.msg === msg),
      );
    expect(await line(server, 'request')).toMatchObject({ trace_id: traceId, task_id: id });
    expect(await line(worker, 'job')).toMatchObject({ trace_id: traceId, task_id: id });
    expect(await line(worker, 'attempt')).toMatchObject({ trace_id: traceId, task_id: id });

    const events = await history(server.url, user.token, id);
    expect(events.map(({ traceparent }) => parseTraceparent(traceparent)?.traceId)).toEqual(events.map(() => traceId));
    await until('the attempt is told', () => spansOf(traceId).some(({ name }) => name === 'task.attempt'));
    const attempt = spansOf(traceId).find(({ name }) => name === 'task.attempt') as ReceivedSpan;
    const told = toTraceparent({ ...attempt, sampled: true });
    expect(JSON.stringify(events)).toContain(`ZEROSTATE_TRACEPARENT=${told}`);
    expect(events.find(({ type }) => type === 'task.log')?.traceparent).toBe(told);
  });

  it('are not recorded where the caller’s is not, but handed on to the worker’s log', async () => {
    const caller = newTrace();
    const headers = { traceparent: toTraceparent(caller) };
    const { id } = await submitTraced('good', headers);
    await waitForTask(server.url, user.token, id, 'completed');
    await until('the job is in the log', () =>
      worker
        .stdout()
        .split('\n')
        .find((line) => line.includes(id) && line.includes(caller.traceId)),
    );
    // What ends later than these would have been sent with it.
    const { traceId } = await submitTraced('good');
    await until('a later trace is here', () => spansOf(traceId).some(({ name }) => name === 'task.settle'));
    expect(spansOf(caller.traceId)).toEqual([]);
    const events = await history(server.url, user.token, id);
    expect(events.filter((event) => 'traceparent' in event)).toEqual([]);
  });

  it('are not recorded because a stranger asks for it: the server keeps to its own share', async () => {
    const sparing = await startServer({
      roles: ['api'],
      env: { ...env, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' },
    });
    try {
      const caller = { ...newTrace(), sampled: true };
      const headers = { traceparent: toTraceparent(caller) };
      const answer = await api(sparing.url).post(
        '/tasks',
        { required_capabilities: ['good'], budget: 10, input: {} },
        { token: user.token, headers },
      );
      const { id } = expectStatus(answer, 202).body;
      expect(parseTraceparent(answer.headers.get('traceresponse'))).toMatchObject({
        traceId: caller.traceId,
        sampled: false,
      });
      await waitForTask(server.url, user.token, id, 'completed');
      const { traceId } = await submitTraced('good');
      await until('a later trace is here', () => spansOf(traceId).some(({ name }) => name === 'task.settle'));
      expect(spansOf(caller.traceId)).toEqual([]);
    } finally {
      await sparing.stop();
    }
  });

  const submitTraced = async (capability: string, headers = {}): Promise<{ traceId: string; id: string }> => {
    const task = { required_capabilities: [capability], budget: 10, input: {} };
    const answer = expectStatus(await api(server.url).post('/tasks', task, { token: user.token, headers }), 202);
    return { traceId: String(parseTraceparent(answer.headers.get('traceresponse'))?.traceId), id: answer.body.id };
  };
});

describe('a server whose collector is away', () => {
  it('serves all the same, warns once, and stops without waiting for it', async () => {
    const away = `http://127.0.0.1:${await freePort()}`;
    const database = await createTestDatabase();
    const env = { DATABASE_URL: database.url, OTEL_EXPORTER_OTLP_ENDPOINT: away, OTEL_BSP_SCHEDULE_DELAY: '50' };
    const server = await startServer({ env: { ...env, OTEL_EXPORTER_OTLP_TIMEOUT: '100' } });
    try {
      const { token } = await registerUser(server.url);
      await publish(server.url, token, 'good', await good(), { capabilities: ['good'] });
      await until('it warns', () => server.stdout().includes(WARNING));
      for (let done = 0; done < 5; done++) {
        await waitForTask(server.url, token, await submit(server.url, token, 'good'), 'completed');
      }
    } finally {
      await server.stop();
      await database.drop();
    }
    expect(server.stdout().split(WARNING)).toHaveLength(2);
  });
});

describe('a server without a collector', () => {
  let database: TestDatabase;
  let collector: OtlpCollector;

  beforeAll(async () => {
    database = await createTestDatabase();
    collector = await OtlpCollector.start();
  });

  afterAll(async () => {
    await collector.stop();
    await database.drop();
  });

  /** The packages of OpenTelemetry that a server has loaded when it has done a task: V8 names every script it ran. */
  const packagesOf = async (variables: Record<string, string>): Promise<string[]> => {
    const folder = await mkdtemp(join(tmpdir(), 'zerostate-scripts-'));
    const env = { DATABASE_URL: database.url, NODE_V8_COVERAGE: folder, ...variables };
    const server = await startServer({ env });
    const { token } = await registerUser(server.url);
    await publish(server.url, token, `good-${Date.now()}`, await good(), { capabilities: ['good'] });
    await waitForTask(server.url, token, await submit(server.url, token, 'good'), 'completed');
    await server.stop();
    const files = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'utf8')));
    await rm(folder, { recursive: true });
    const names = files.flatMap((file) => [...file.matchAll(/\/node_modules\/@opentelemetry\/([\w-]+)\//g)]);
    expect(files.some((file) => file.includes('/bin/server.js'))).toBe(true);
    return [...new Set(names.map(([, name]) => name))].sort();
  };

  it('loads nothing of the SDK and sends nothing, unlike one that has one', async () => {
    expect(await packagesOf({})).toEqual(['api']);
    const off = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_SDK_DISABLED: 'true' };
    expect(await packagesOf(off)).toEqual(['api']);
    expect(collector.encodings).toEqual([]);

    const on = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`, OTEL_SERVICE_NAME: 'market' };
    expect(await packagesOf(on)).toEqual(expect.arrayContaining(['exporter-trace-otlp-proto', 'sdk-trace-base']));
    // What was left at the stop has been sent before its end.
    expect(collector.spans.map(({ name }) => name)).toContain('task.settle');
    expect(new Set(collector.spans.map(({ resource }) => resource['service.name']))).toEqual(new Set(['market']));
  }, 240_000);
});

const WARNING = 'traces do not reach the collector';

const labelOf = ({ name, kind, failed, attributes }: ReceivedSpan): string =>
  [
    name,
    name === 'event.deliver' && attributes['zerostate.event.type'],
    attributes['zerostate.attempt'],
    attributes['zerostate.outcome'],
    attributes['zerostate.task.status'],
    kind !== 'internal' && `[${kind}]`,
    failed && 'FAILED',
  ]
    .filter(Boolean)
    .join(' ');

/** Writes its environment to standard error, a variable a line. */
const tellingEnvironment = (): Promise<Buffer> =>
  agent(`(local $at i32)
    (drop (call $environ_sizes_get (i32.const 1024) (i32.const 1028)))
    (drop (call $environ_get (i32.const 2048) (i32.const 4096)))
    (loop $next
      (if (i32.eqz (i32.load8_u (i32.add (i32.const 4096) (local.get $at))))
        (then (i32.store8 (i32.add (i32.const 4096) (local.get $at)) (i32.const 10))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.load (i32.const 1028)))))
    (call $write (i32.const 2) (i32.const 4096) (i32.load (i32.const 1028)))
    (call $ok)`);
