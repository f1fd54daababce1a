import { connect as connectTcp } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { io, type Socket } from 'socket.io-client';
import { api, expectStatus, loginAdmin, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { type FeedEvent, good, publish, seqsOf, submit, typesOf } from './agents.js';
import { payloadFaults } from './asyncapi.js';
import { CLOSE_FRAME, DeafClient } from './deaf-client.js';
import { FeedSocket, serverSentEvents } from './feed-client.js';
import { ask } from './rows.js';

describe('the rooms of the feed', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let url: string;
  let owner: TestUser;
  let submitter: TestUser;
  let admin: string;
  let agentId: string;
  const sockets: FeedSocket[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({ env: { DATABASE_URL: database.url, GATEWAY_CONNECTIONS_PER_USER: '4' } });
    url = server.url;
    [owner, submitter, admin] = [await registerUser(url), await registerUser(url), await loginAdmin(url)];
    agentId = await publish(url, owner.token, 'good', await good(), { capabilities: ['good'] });
  });

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.close();
  });

  afterAll(async () => {
    await server.stop();
    await database.drop();
  });

  const connect = async (token: string): Promise<FeedSocket> => {
    const socket = await FeedSocket.connect(url, { token });
    sockets.push(socket);
    return socket;
  };

  const done = (events: readonly FeedEvent[]): boolean => typesOf(events).includes('task.completed');

  it("show an agent's owner what the agent does for others, but neither for whom nor with what result", async () => {
    const socket = await connect(owner.token);
    const live = await socket.followTopic(`agent:${agentId}`);
    const taskId = await submit(url, submitter.token, 'good');
    await until('the owner hears of the end', () => done(live));

    const ofTask = live.filter((event) => event.task_id === taskId);
    expect(typesOf(ofTask)).toEqual(['task.assigned', 'task.running', 'task.completed']);
    expect(ofTask.every((event) => event.user_id === null && !('result' in event.data))).toBe(true);
    const own = socket.received.filter((event) => event.task_id === taskId);
    expect(own).toEqual(ofTask);

    const past = await (await connect(owner.token)).followTopic(`agent:${agentId}`, 0);
    expect(typesOf(past).slice(0, 2)).toEqual(['agent.created', 'agent.version_uploaded']);
    expect(past.filter((event) => event.task_id === taskId)).toEqual(ofTask);
  });

  it('of an agent and of the whole feed are closed to others', async () => {
    const socket = await connect(submitter.token);
    for (const topic of [`agent:${agentId}`, 'admin']) {
      expect(await socket.ask('subscribe', { topic })).toMatchObject({ ok: false, code: 'NOT_FOUND' });
    }
  });

  it('show an admin the whole feed, past and present', async () => {
    const socket = await connect(admin);
    const feed = await socket.followTopic('admin', 0);
    await waitForTask(url, submitter.token, await submit(url, submitter.token, 'good'), 'completed');
    const [{ last }] = await ask<any>(database.url, 'SELECT max(seq)::int AS last FROM task_events');
    await until('the admin has it all', () => feed.at(-1)?.seq === last);
    const rows = await ask<any>(database.url, 'SELECT seq::int FROM task_events ORDER BY seq');
    expect(seqsOf(feed)).toEqual(rows.map((row) => row.seq));
  });

  it('carry an announcement to everybody, and keep it for who comes later', async () => {
    const live = (await connect(submitter.token)).received;
    const message = 'The market closes at 22:00 UTC.';
    const refused = await api(url).post('/gateway/announcements', { message }, { token: submitter.token });
    expect(refused.status).toBe(403);
    const { seq } = expectStatus(
      await api(url).post('/gateway/announcements', { message }, { token: admin }),
      201,
    ).body;
    await until('it has arrived', () => live.some((event) => event.seq === seq));

    const { items } = expectStatus(
      await api(url).get(`/events?after_seq=${seq - 1}`, { token: owner.token }),
      200,
    ).body;
    expect(items[0]).toMatchObject({ seq, type: 'system.announcement', data: { message } });
  });

  it('of a user are an event stream, too, which goes on and resumes', async () => {
    const open = (headers = {}) =>
      fetch(`${url}/api/v1/events`, {
        headers: { authorization: `Bearer ${submitter.token}`, accept: 'text/event-stream', ...headers },
      });
    const read = async (response: Response, wanted: (events: FeedEvent[]) => boolean): Promise<FeedEvent[]> => {
      const events: FeedEvent[] = [];
      for await (const event of serverSentEvents(response)) {
        events.push(event);
        if (wanted(events)) break;
      }
      return events;
    };
    const [{ last }] = await ask<any>(database.url, 'SELECT max(seq)::int AS last FROM task_events');
    const stream = await open({ 'last-event-id': String(last) });
    const tasks = [await submit(url, submitter.token, 'good'), await submit(url, submitter.token, 'good')];
    const seen = await read(stream, (events) => events.length === 3);
    const ends = (events: FeedEvent[]) => events.filter((event) => event.type === 'task.completed').length;
    const rest = await read(
      await open({ 'last-event-id': String(seen.at(-1)!.seq) }),
      (events) => ends([...seen, ...events]) === 2,
    );
    const rows = await ask<any>(
      database.url,
      `SELECT seq::int FROM task_events WHERE task_id IN ('${tasks.join("','")}') ORDER BY seq`,
    );
    expect(seqsOf([...seen, ...rest])).toEqual(rows.map((row) => row.seq));
  });

  it('of a user answer who asks for the head alone, and then the next request of that connection', async () => {
    const { hostname, port } = new URL(url);
    const socket = connectTcp(Number(port), hostname);
    let heard = '';
    socket.setEncoding('latin1').on('data', (text) => (heard += text));
    const ask = (line: string): boolean =>
      socket.write(
        `${line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${submitter.token}\r\nAccept: text/event-stream, */*;q=0.1\r\n\r\n`,
      );
    ask('HEAD /api/v1/events');
    await until('it is answered', () => /^HTTP\/1.1 200 OK\r\n.*\r\nContent-Type: text\/event-stream/s.test(heard));
    ask('GET /api/v1/auth/me');
    await until('the next is answered', () => heard.includes('"email"'));
    socket.destroy();
  });

  it('refuse one user more connections than are allowed, and count those that have left', async () => {
    const held = await Promise.all(Array.from({ length: 4 }, () => connect(submitter.token)));
    await expect(connect(submitter.token)).rejects.toMatchObject({ data: { code: 'TOO_MANY_CONNECTIONS' } });
    const stream = await api(url).get('/events', {
      token: submitter.token,
      headers: { accept: 'text/event-stream' },
    });
    expect(expectStatus(stream, 429).body.code).toBe('TOO_MANY_CONNECTIONS');
    expect(stream.headers.get('retry-after')).toBe('5');
    await connect(owner.token);
    held[0].close();
    await until('there is room again', () =>
      connect(submitter.token).then(
        () => true,
        () => false,
      ),
    );
  });

  it('refuse a browser that shows the page of another origin', async () => {
    const connectFrom = (origin: string) =>
      new Promise<void>((resolve, reject) => {
        const socket: Socket = io(url, {
          auth: { token: owner.token },
          transports: ['websocket'],
          forceNew: true,
          reconnection: false,
          extraHeaders: { origin },
        });
        socket.once('connect', () => (socket.close(), resolve()));
        socket.once('connect_error', (error) => (socket.close(), reject(error)));
      });
    await expect(connectFrom('https://elsewhere.example')).rejects.toThrow();
    await connectFrom(url);
  });

  it('tell a client that floods them to slow down', async () => {
    const socket = await connect(owner.token);
    const answers = await Promise.all(
      Array.from({ length: 150 }, () => socket.ask('unsubscribe', { topic: `agent:${agentId}` })),
    );
    expect(answers).toContainEqual(expect.objectContaining({ ok: false, code: 'TOO_MANY_MESSAGES' }));
    expect(answers[0]).toEqual({ ok: true });
  });

  it.each<[string, (client: DeafClient) => unknown]>([
    ['messages', (client) => Array.from({ length: 600 }, () => client.ask('unsubscribe', {}))],
    ['acknowledgements nobody asked for', (client) => client.acknowledge(600)],
    ['pings', (client) => client.ping(600)],
  ])('disconnect a client that goes on flooding them with %s, and say why', async (_, flood) => {
    const client = await DeafClient.connect(url, { token: owner.token });
    client.listen();
    await flood(client);
    await until('it is told and let go', () => client.heard('"TOO_MANY_MESSAGES"') && client.heard(CLOSE_FRAME));
    client.close();
  });

  it('cut off a client that floods them before it has said who it is, having answered a part of it', async () => {
    const client = await DeafClient.open(url);
    client.knock(5000);
    await until('it is cut off', () => client.closed);
    expect(client.count('Invalid namespace')).toBeLessThanOrEqual(500);
  });

  it('let go of a client that sends a message larger than any may be, and of no other', async () => {
    const [sender, other] = [await connect(owner.token), await connect(owner.token)];
    expect(await sender.ask('subscribe', { topic: 'x'.repeat(60 * 1024) })).toMatchObject({ code: 'BAD_TOPIC' });
    void sender.ask('subscribe', { topic: 'x'.repeat(64 * 1024) }).catch(() => undefined);
    await until('it is let go', () => !sender.connected);
    expect(await other.ask('unsubscribe', { topic: `agent:${agentId}` })).toEqual({ ok: true });
  });

  it('show an admin how the gateway does', async () => {
    const socket = await connect(owner.token);
    await socket.followTopic(`agent:${agentId}`);
    const stats = expectStatus(await api(url).get('/gateway/stats', { token: admin }), 200).body;
    expect(stats).toMatchObject({ sockets: 1, users: 1, subscriptions: { user: 1, task: 0, agent: 1, admin: 0 } });
    expect(stats.position).toBeLessThanOrEqual(stats.feed_seq);
    expect((await api(url).get('/gateway/stats', { token: owner.token })).status).toBe(403);
  });

  it('let go of a client that does not read, tell it where to resume, and keep the others served', async () => {
    const [{ last }] = await ask<any>(database.url, 'SELECT max(seq)::int AS last FROM task_events');
    const reading = (await connect(submitter.token)).received;
    const deaf = await DeafClient.connect(url, { token: submitter.token });
    const { id } = expectStatus(await api(url).get('/auth/me', { token: submitter.token }), 200).body;
    const [count, part] = [2100, 300];
    // About 21 MB: more than the buffers of two TCP sockets and the 8 MiB that may wait for one.
    for (let sent = part; sent <= count; sent += part) {
      await ask<any>(
        database.url,
        `INSERT INTO task_events (type, user_id, data)
         SELECT 'task.log', '${id}', json_build_object('lines', json_build_array(repeat('x', 10000)))
           FROM generate_series(1, ${part})`,
      );
      await until('the reader has them', () => reading.length >= sent);
    }
    await until('the deaf one is let go', async () => {
      const stats = expectStatus(await api(url).get('/gateway/stats', { token: admin }), 200).body;
      return stats.lagging > 0;
    });
    deaf.listen();
    await until('it reads that it lags', () => deaf.lagging() !== undefined, 60_000);
    expect((await payloadFaults())('lagging', deaf.lagging())).toEqual([]);
    const [{ topic, after_seq }] = deaf.lagging()!.topics;
    expect(topic).toBe(`user:${id}`);

    const received = deaf.events();
    expect(received.at(-1)).toBeLessThanOrEqual(after_seq);
    const missed: number[] = [];
    for (let cursor = after_seq, more = true; more;) {
      const page = expectStatus(
        await api(url).get(`/events?after_seq=${cursor}`, { token: submitter.token }),
        200,
      ).body;
      missed.push(...seqsOf(page.items));
      more = page.next_cursor !== null;
      cursor = page.next_cursor ?? cursor;
    }
    expect([...received, ...missed]).toEqual(seqsOf(reading.filter((event) => event.seq > last)));
    deaf.close();
  });

  it('send no more of the past to a client that unsubscribes', async () => {
    const { id } = expectStatus(await api(url).get('/auth/me', { token: submitter.token }), 200).body;
    const deaf = await DeafClient.connect(url, { token: submitter.token, after_seq: 0 });
    deaf.ask('unsubscribe', { topic: `user:${id}` });
    deaf.listen();
    await until('it reads that it has', () => deaf.heard('430[{"ok":true}]'), 60_000);
    const heard = deaf.events().length;
    const { received } = await connect(submitter.token);
    const [{ past }] = await ask<any>(
      database.url,
      `WITH later AS (INSERT INTO task_events (type, user_id, data) VALUES ('task.log', '${id}', '{}') RETURNING seq)
       SELECT count(*)::int AS past FROM task_events, later WHERE user_id = '${id}'`,
    );
    await until('the others have what comes later', () => received.length > 0);
    expect(deaf.events()).toHaveLength(heard);
    expect(heard).toBeLessThan(past);
    deaf.close();
  });

  it('let go of a client that asks on and on and reads nothing', async () => {
    const { id } = expectStatus(await api(url).get('/auth/me', { token: submitter.token }), 200).body;
    const socketsNow = async (): Promise<number> =>
      expectStatus(await api(url).get('/gateway/stats', { token: admin }), 200).body.sockets;
    const before = await socketsNow();
    // Its past, of which there is more than the buffers of two TCP sockets take, fills them.
    const deaf = await DeafClient.connect(url, { token: submitter.token, after_seq: 0 });
    expect(await socketsNow()).toBe(before + 1);
    for (let sent = 0; sent < 200; sent++) deaf.ask('subscribe', { topic: `user:${id}`, after_seq: 0 });
    await until('it is let go', async () => {
      for (let sent = 0; sent < 2000; sent++) deaf.ask('unsubscribe', { topic: `agent:${agentId}` });
      return (await socketsNow()) === before;
    });
    deaf.close();
  });

  it('have one handshake for each connection, and close one whose handshake is refused', async () => {
    const wrong = { api_key: `zsk_${'x'.repeat(43)}` };
    for (const [times, code] of [
      [1, 'API_KEY_INVALID'],
      [2, 'ALREADY_CONNECTED'],
    ] as const) {
      const refused = await DeafClient.connect(url, wrong, times);
      refused.listen();
      await until('it is closed', () => refused.heard(CLOSE_FRAME));
      expect(refused.heard(code)).toBe(true);
    }
  });

  it('keep no place for an event stream whose reader left before it began', async () => {
    const { hostname, port } = new URL(url);
    const { token } = await registerUser(url);
    const taskId = await submit(url, token, 'good', { delay_ms: 3_600_000 });
    const path = `/api/v1/tasks/${taskId}/events`;
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${token}` };
    for (let index = 0; index < 40; index++) {
      const socket = connectTcp(Number(port), hostname);
      await new Promise((connected) => socket.once('connect', () => connected(undefined)));
      const lines = Object.entries({ host: 'x', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, () => socket.destroy());
    }
    const streams = new AbortController();
    for (let place = 0; place < 4; place++) {
      const open = () => fetch(url + path, { headers, signal: streams.signal });
      await until('there is a place', async () => (await open()).status === 200);
    }
    streams.abort();
  });
});
