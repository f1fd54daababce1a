import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, expectStatus, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { operationsUrl } from '../support/metrics.js';
import { OtlpCollector } from '../support/otlp-collector.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { agent, type FeedEvent, history, publish, submit, typesOf } from './agents.js';
import { FeedSocket, serverSentEvents } from './feed-client.js';

/** Words that only one tenant may read. Each is looked for with everybody else's eyes. */
const SECRETS = {
  /** Of the submitter. */
  input: 'canary-of-the-input',
  description: 'canary-of-the-description',
  capability: 'canary-of-the-capability',
  trace: 'cafe'.repeat(8),
  /** Of the rival, whose agent bids against the spy's. */
  rivalName: 'Canary of the rival',
  rivalPrice: '0.734215',
};

/**
 * Four tenants and one server with traces and metrics. The spy offers agents for nothing that copy each input to their log and into
 * their errors. The rival offers the same work at a price. The submitter pays, the outsider only looks.
 */
describe('what a tenant brings to the market', () => {
  let collector: OtlpCollector;
  let database: TestDatabase;
  let server: ServerProcess;
  let url: string;
  let tenants: Record<'submitter' | 'spy' | 'rival' | 'outsider', TestUser>;
  let spyAgents: Record<'copying' | 'exiting' | 'trapping' | 'babbling', string>;
  let rivalAgent: string;
  /** Tasks of the submitter that do not share their logs, by what became of them. */
  let tasks: Record<'completed' | 'failedOver' | 'failed', string>;
  let shared: string;

  beforeAll(async () => {
    collector = await OtlpCollector.start();
    database = await createTestDatabase();
    server = await startServer({
      env: {
        DATABASE_URL: database.url,
        METRICS_PORT: '0',
        LOG_LEVEL: 'debug',
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_BSP_SCHEDULE_DELAY: '100',
      },
    });
    url = server.url;
    const [submitter, spy, rival, outsider] = await Promise.all(Array.from({ length: 4 }, () => registerUser(url)));
    tenants = { submitter, spy, rival, outsider };
    const offer = async (slug: string, end: string): Promise<string> =>
      publish(url, spy.token, slug, await copying(end), { capabilities: [slug], price: '0' });
    spyAgents = {
      copying: await offer('copying', '(call $write (i32.const 1) (i32.const 1024) (i32.load (i32.const 8)))'),
      exiting: await offer('exiting', '(call $proc_exit (i32.const 3))'),
      trapping: await offer('trapping', 'unreachable'),
      // Its output is the input without its first character, which is no JSON; the error quotes it.
      babbling: await offer('babbling', '(call $write (i32.const 1) (i32.const 1025) (i32.const 60))'),
    };
    rivalAgent = await publish(url, rival.token, 'rival', await copying('(call $proc_exit (i32.const 4))'), {
      name: SECRETS.rivalName,
      capabilities: ['exiting', 'trapping', 'babbling'],
      price: SECRETS.rivalPrice,
    });
    const run = async (capability: string, end: string, fields: object = {}): Promise<string> => {
      const task = {
        required_capabilities: [capability, SECRETS.capability],
        budget: 10,
        input: { secret: SECRETS.input },
        description: SECRETS.description,
        ...fields,
      };
      const headers = { traceparent: `00-${SECRETS.trace}-00f067aa0ba902b7-01` };
      const answer = await api(url).post('/tasks', task, { token: submitter.token, headers });
      const { id } = expectStatus(answer, 202).body;
      await waitForTask(url, submitter.token, id, end);
      return id;
    };
    const sound = await copying('(call $write (i32.const 1) (i32.const 1024) (i32.load (i32.const 8)))');
    await publish(url, rival.token, 'sound', sound, { capabilities: ['trapping'], price: '0.9' });
    tasks = {
      completed: await run('copying', 'completed'),
      failedOver: await run('trapping', 'completed'),
      failed: await run('exiting', 'failed'),
    };
    await run('babbling', 'failed');
    shared = await run('exiting', 'failed', { share_logs: true });
  });

  afterAll(async () => {
    await server?.stop();
    await collector?.stop();
    await database?.drop();
  });

  const pages = async (token: string, path: string): Promise<FeedEvent[]> => {
    const events: FeedEvent[] = [];
    let cursor: number | null = 0;
    while (cursor !== null) {
      const answer: { body: any } = await api(url).get(`${path}?limit=3&after_seq=${cursor}`, { token });
      events.push(...answer.body.items);
      cursor = answer.body.next_cursor;
    }
    return events;
  };

  /** Everything a tenant reads of its own topics by server-sent events, until `isLast`. */
  const stream = async (token: string, isLast: (event: FeedEvent) => boolean): Promise<FeedEvent[]> => {
    const headers = { authorization: `Bearer ${token}`, accept: 'text/event-stream' };
    const events: FeedEvent[] = [];
    for await (const event of serverSentEvents(await fetch(`${url}/api/v1/events`, { headers }))) {
      events.push(event);
      if (isLast(event)) break;
    }
    return events;
  };

  /** Everything a tenant reads by a socket: its own topic from the handshake on, and its agents' with their past. */
  const listen = async (token: string, agentIds: string[]): Promise<{ heard: FeedEvent[]; socket: FeedSocket }> => {
    const socket = await FeedSocket.connect(url, { token, after_seq: 0 });
    const heard = socket.received;
    for (const id of agentIds) heard.push(...(await socket.followTopic(`agent:${id}`, 0)));
    return { heard, socket };
  };

  const everyAnswer = async ({ token }: TestUser): Promise<string> => {
    const ids = [...Object.values(tasks), shared];
    const agents = [...Object.values(spyAgents), rivalAgent];
    const paths = [
      ...['/tasks', '/agents', '/agents?mine=true', '/auth/me', '/gateway/stats', '/queue/stats'],
      ...ids.flatMap((id) => ['', '/events', '/auction', '/result', '/input'].map((rest) => `/tasks/${id}${rest}`)),
      ...agents.flatMap((id) => ['', '/card', '/versions'].map((rest) => `/agents/${id}${rest}`)),
    ];
    const answers = await Promise.all(paths.map((path) => api(url).get(path, { token })));
    return JSON.stringify(answers.map(({ body }) => body));
  };

  /** Which secrets a text contains. */
  const found = (text: string, secrets: Partial<typeof SECRETS> = SECRETS): string[] =>
    Object.entries(secrets).flatMap(([name, secret]) => (text.includes(secret) ? [name] : []));

  const { rivalName: _name, rivalPrice: _price, ...OF_SUBMITTER } = SECRETS;

  it('is shown whole to the submitter', async () => {
    const { token } = tenants.submitter;
    expect(found(JSON.stringify(await pages(token, '/events')))).toEqual(
      expect.arrayContaining(['input', 'capability', 'trace', 'rivalName', 'rivalPrice']),
    );
    const task = expectStatus(await api(url).get(`/tasks/${tasks.failed}`, { token }), 200).body;
    expect(task).toMatchObject({ error: { code: 'ALL_AGENTS_FAILED' }, share_logs: false });
    for (const word of [SECRETS.input, SECRETS.rivalName]) expect(task.error.message).toContain(word);
    expect(typesOf(await history(url, token, tasks.failed))).toContain('task.log');
  });

  it('is shown to no other tenant, by no transport', async () => {
    for (const [name, agentIds, secrets] of [
      ['spy', Object.values(spyAgents), SECRETS],
      ['rival', [rivalAgent], OF_SUBMITTER],
      ['outsider', [], OF_SUBMITTER],
    ] as const) {
      const tenant = tenants[name];
      const private_ = (events: FeedEvent[]): FeedEvent[] => events.filter(({ task_id }) => task_id !== shared);
      const own = await submit(url, tenant.token, 'nobody-offers-this');
      const last = (event: FeedEvent): boolean => event.task_id === own && event.type === 'task.failed';
      const paged = await until('the last event is there', async () => {
        const events = await pages(tenant.token, '/events');
        return events.some(last) && events;
      });
      const streamed = await stream(tenant.token, last);
      const { heard, socket } = await listen(tenant.token, [...agentIds]);
      await until('the socket has it too', () => heard.some(last));
      socket.close();
      for (const events of [paged, streamed, heard]) {
        expect(found(JSON.stringify(private_(events)), secrets)).toEqual([]);
        expect(JSON.stringify(private_(events))).not.toContain('task.log');
      }
      // The public card names the rival, as it does for every visitor of the market.
      expect(found(await everyAnswer(tenant), OF_SUBMITTER)).toEqual([]);
    }
  });

  it('stays out of metrics, traces and the log of the server', async () => {
    const metrics = await (await fetch(`${await operationsUrl(server)}/metrics`)).text();
    const { trace: _trace, ...words } = OF_SUBMITTER;
    expect(found(metrics)).toEqual([]);
    expect(found(server.stdout(), words)).toEqual([]);
    await until('the traces are there', () => collector.spans.some(({ name }) => name === 'task.settle'));
    expect(collector.spans.some(({ failed }) => failed)).toBe(true);
    expect(found(JSON.stringify(collector.spans), words)).toEqual([]);
  });

  it('tells an owner what its agents did for others: the state, how it ended and rounded figures', async () => {
    const own = (await pages(tenants.spy.token, '/events')).filter(({ user_id }) => user_id === null);
    const of = (task: string) => own.filter(({ task_id }) => task_id === task);
    expect(typesOf(of(tasks.completed))).toEqual(['task.assigned', 'task.running', 'task.completed']);
    expect(of(tasks.completed).at(-1)!.data).toEqual({
      status: 'completed',
      agent_id: spyAgents.copying,
      version: '1.0.0',
      cost: 0,
      fee: 0,
      wall_ms: expect.any(Number),
      cpu_ms: expect.any(Number),
      peak_memory_bytes: 200_000,
      estimated_ms: expect.any(Number),
      share_logs: false,
    });
    const [assigned, , failedOver] = of(tasks.failedOver);
    expect(assigned.data).toEqual({
      status: 'assigned',
      agent_id: spyAgents.trapping,
      version: '1.0.0',
      price: 0,
      share_logs: false,
    });
    expect(failedOver).toMatchObject({ type: 'task.failover', data: { outcome: 'trapped', trap: 'unreachable' } });
    expect(typesOf(of(tasks.failed))).toEqual(['task.assigned', 'task.running', 'task.failover']);
  });

  it('is shared with the owner of the agent at work where the submitter allows it', async () => {
    const { body } = expectStatus(await api(url).get(`/tasks/${shared}`, { token: tenants.submitter.token }), 200);
    expect(body.share_logs).toBe(true);
    const events = (await pages(tenants.spy.token, '/events')).filter(({ task_id }) => task_id === shared);
    expect(events.every(({ data }) => data.share_logs === true)).toBe(true);
    expect(events.find(({ type }) => type === 'task.log')!.data.lines.join()).toContain(SECRETS.input);
    expect(events.at(-1)).toMatchObject({ type: 'task.failover', data: { error: { code: 'AGENT_EXITED' } } });
    const { input: _input, ...rest } = SECRETS;
    expect(found(JSON.stringify(events), rest)).toEqual([]);
    // The task ended with the rival's failure: it reads its own error, and nothing of the spy's.
    const rivals = (await pages(tenants.rival.token, '/events')).filter(({ task_id }) => task_id === shared);
    expect(rivals.at(-1)).toMatchObject({ type: 'task.failed', data: { error: { code: 'AGENT_EXITED' } } });
    expect(rivals.at(-1)!.data.error.message).toContain('code 4');
    expect(JSON.stringify(rivals)).not.toContain('code 3');
  });
});

/** Copies its input, of at most 64 KiB, to its log, then goes on with `end`. */
const copying = (end: string): Promise<Buffer> =>
  agent(`(i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 65536))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 1100) (i32.load (i32.const 8)))
    (call $write (i32.const 2) (i32.const 1024) (i32.load (i32.const 8)))
    (i32.store (i32.const 8) (i32.load (i32.const 1100)))
    ${end}`);
