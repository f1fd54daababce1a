import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import { api, expectStatus, loginAdmin, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { chatty, type FeedEvent, good, history, publish, seqsOf, submit, typesOf } from './agents.js';
import { FeedSocket, openEventStream, serverSentEvents } from './feed-client.js';
import { until } from '../support/until.js';

const LIFE = ['task.queued', 'task.assigned', 'task.running', 'task.completed'];
const UNKNOWN_ID = '01900000-0000-7000-8000-000000000000';

describe('the feed', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let url: string;
  let user: TestUser;
  let userId: string;
  /** Of another user, who also owns the agents. */
  let foreignTask: string;
  const sockets: FeedSocket[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({ env: { DATABASE_URL: database.url } });
    url = server.url;
    user = await registerUser(url);
    userId = expectStatus(await api(url).get('/auth/me', { token: user.token }), 200).body.id;
    const owner = await registerUser(url);
    await publish(url, owner.token, 'good', await good(), { capabilities: ['good'] });
    await publish(url, owner.token, 'chatty', await chatty(5), { capabilities: ['chatty'] });
    foreignTask = await submit(url, owner.token, 'good');
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

  /** Submits tasks without waiting for any of them to be done. */
  const burst = (size: number, capability: string): Promise<string[]> =>
    Promise.all(Array.from({ length: size }, () => submit(url, user.token, capability)));

  const completed = (events: readonly FeedEvent[]): number =>
    events.filter((event) => event.type === 'task.completed').length;

  describe('over WebSocket', () => {
    it.each([
      ['without a token', {}, 'TOKEN_INVALID'],
      ['with a forged token', { token: 'eyJhbGciOiJub25lIn0.e30.' }, 'TOKEN_INVALID'],
      ['with something else for a token', { token: { id: 1 } }, 'TOKEN_INVALID'],
    ])('refuses a handshake %s and says so in a code', async (_, auth, code) => {
      await expect(FeedSocket.connect(url, auth)).rejects.toMatchObject({
        message: expect.stringMatching(/\w/),
        data: { code },
      });
    });

    it("brings a user's own events without being asked, and nobody else's", async () => {
      const [mine, other] = [await connect(user.token), await connect((await registerUser(url)).token)];
      const taskId = await submit(url, user.token, 'good');
      await until('the task has completed', () => completed(mine.received) === 1);
      expect(mine.received).toEqual(await history(url, user.token, taskId));
      expect(typesOf(mine.received)).toEqual(LIFE);

      // Events reach all sockets in one order, so this one would have come before the answer.
      expect(await other.ask('subscribe', { topic: `task:${UNKNOWN_ID}` })).toMatchObject({ ok: false });
      expect(other.received).toEqual([]);
    });

    it('joins the past and the present of tasks without gap or double while they run', async () => {
      // An admin may follow anybody's task; the owner hears of its own anyway, and must not hear of them twice.
      const [owner, admin] = [await connect(user.token), await connect(await loginAdmin(url))];
      const taskIds = await burst(20, 'chatty');
      const followed = await Promise.all(
        [owner, admin].flatMap((socket) => taskIds.map((taskId) => socket.follow('task', taskId, 0))),
      );
      await until('every task has completed', () => followed.every((events) => completed(events) > 0), 60_000);

      const histories = await Promise.all(taskIds.map((taskId) => history(url, user.token, taskId)));
      expect(followed.map(seqsOf)).toEqual([...histories, ...histories].map(seqsOf));
    });

    it('resumes after a disconnect in the middle of a burst without gap or double', async () => {
      const before = await connect(user.token);
      const tasks = burst(40, 'good');
      await until('the burst is under way', () => before.received.length >= 30);
      before.close();
      const seen = [...before.received];

      const resumed = await (await connect(user.token)).follow('user', userId, seen.at(-1)!.seq);
      const taskIds = await tasks;
      await until('every task has completed', () => completed(seen) + completed(resumed) >= taskIds.length);

      const everything = [...seen, ...resumed];
      const histories = await Promise.all(taskIds.map((taskId) => history(url, user.token, taskId)));
      const inOrder = histories.flatMap(seqsOf).sort((a, b) => a - b);
      expect(seqsOf(everything)).toEqual(inOrder);
    });

    it.each([
      ["somebody else's task", () => ({ topic: `task:${foreignTask}` }), 'NOT_FOUND'],
      ['a task that does not exist', () => ({ topic: `task:${UNKNOWN_ID}` }), 'NOT_FOUND'],
      ['another user', () => ({ topic: `user:${UNKNOWN_ID}` }), 'NOT_FOUND'],
      ['a topic of an unknown kind', () => ({ topic: `queue:${UNKNOWN_ID}` }), 'BAD_TOPIC'],
      ['a topic without an id', () => ({ topic: 'task:1' }), 'BAD_TOPIC'],
      ['no topic', () => undefined, 'BAD_TOPIC'],
      ['a negative cursor', () => ({ topic: `user:${userId}`, after_seq: -1 }), 'BAD_CURSOR'],
      ['a cursor that is no number', () => ({ topic: `user:${userId}`, after_seq: '1' }), 'BAD_CURSOR'],
    ])('refuses to follow %s', async (_, body, code) => {
      const socket = await connect(user.token);
      expect(await socket.ask('subscribe', body())).toEqual({ ok: false, code, message: expect.stringMatching(/\w/) });
    });

    it('falls silent about a topic that is given up', async () => {
      const socket = await connect(user.token);
      expect(await socket.ask('unsubscribe', { topic: `user:${userId}` })).toEqual({ ok: true });
      await waitForTask(url, user.token, await submit(url, user.token, 'good'), 'completed');
      const lastTask = await submit(url, user.token, 'good');
      const followed = await socket.follow('task', lastTask, 0);
      await until('the last task has completed', () => completed(followed) === 1);
      expect(socket.received.filter((event) => event.task_id !== lastTask)).toEqual([]);
    });
  });

  describe('over WebSocket, to a client that does not wait for answers', () => {
    it('falls silent about a topic that is given up before it was followed', async () => {
      const [taskId, next] = [await later(), await later()];
      const admin = await connect(await loginAdmin(url));
      const topic = `task:${taskId}`;
      const asked = [admin.ask('subscribe', { topic }), admin.ask('unsubscribe', { topic })];
      expect(await Promise.all(asked)).toEqual([{ ok: true, events: [], complete: false }, { ok: true }]);
      expect(await admin.ask('subscribe', { topic: `task:${next}` })).toMatchObject({ complete: true });
      for (const id of [taskId, next]) {
        expectStatus(await api(url).post(`/tasks/${id}/cancel`, undefined, { token: user.token }), 200);
      }
      await until('it hears of the next', () => admin.received.length > 0);
      expect(admin.received.map((event) => event.task_id)).toEqual([next]);
    });

    it('keeps no place for what it may not follow', async () => {
      const socket = await connect(user.token);
      await Promise.all(Array.from({ length: 90 }, () => socket.ask('subscribe', { topic: `task:${newId()}` })));
      await until('ten more are refused', async () => {
        const answers = Array.from({ length: 10 }, () => socket.ask('subscribe', { topic: `task:${newId()}` }));
        return (await Promise.all(answers)).every((answer) => !answer.ok && answer.code === 'NOT_FOUND');
      });
      const topic = `task:${await later()}`;
      await until('its own is followed', async () => (await socket.ask('subscribe', { topic })).ok);
    });

    const later = (): Promise<string> => submit(url, user.token, 'good', { delay_ms: 3_600_000 });
  });

  describe('as server-sent events', () => {
    const read = async (response: Response, limit = Infinity): Promise<FeedEvent[]> => {
      const events: FeedEvent[] = [];
      for await (const event of serverSentEvents(response)) {
        if (events.push(event) === limit) break;
      }
      return events;
    };

    it('follows a running task to its end, and resumes after `Last-Event-ID`', async () => {
      const taskId = await submit(url, user.token, 'chatty');
      const stream = await openEventStream(url, user.token, taskId);
      expect(stream.headers.get('content-type')).toMatch('text/event-stream');
      const seen = await read(stream, 3); // then the reader leaves
      const cursor = String(seen.at(-1)!.seq);
      const rest = await read(await openEventStream(url, user.token, taskId, { 'last-event-id': cursor }));

      expect(typesOf(seen)).toEqual(LIFE.slice(0, 3));
      expect(typesOf(rest)).toContain('task.log');
      expect(typesOf(rest).at(-1)).toBe('task.completed');
      expect([...seen, ...rest]).toEqual(await history(url, user.token, taskId));
    });

    it('answers 204 when nothing more will come', async () => {
      const taskId = await submit(url, user.token, 'good');
      await waitForTask(url, user.token, taskId, 'completed');
      const events = await read(await openEventStream(url, user.token, taskId));
      const cursor = String(events.at(-1)!.seq);
      expect((await openEventStream(url, user.token, taskId, { 'last-event-id': cursor })).status).toBe(204);
    });

    it("does not open for somebody else's task", async () => {
      const refusal = await openEventStream(url, user.token, foreignTask);
      expect(refusal.status).toBe(404);
      expect(await refusal.json()).toMatchObject({ code: 'NOT_FOUND' });
    });
  });

  it('brings what happens to a task that is asked for in capitals, over WebSocket and as server-sent events', async () => {
    const taskId = await submit(url, user.token, 'good', { delay_ms: 3_600_000 });
    const asked = taskId.toUpperCase();
    const admin = await connect(await loginAdmin(url));
    expect(await admin.ask('subscribe', { topic: `task:${asked}` })).toMatchObject({ ok: true });
    const stream = await openEventStream(url, user.token, asked);
    expectStatus(await api(url).post(`/tasks/${taskId}/cancel`, undefined, { token: user.token }), 200);
    await until('it comes by the socket', () => typesOf(admin.received).includes('task.cancelled'));
    const streamed: FeedEvent[] = [];
    for await (const event of serverSentEvents(stream)) streamed.push(event);
    expect(typesOf(streamed)).toEqual(['task.queued', 'task.cancelled']);
  });

  it('is read page by page as JSON', async () => {
    const taskId = await submit(url, user.token, 'good');
    await waitForTask(url, user.token, taskId, 'completed');
    const page = async (query: string) =>
      expectStatus(await api(url).get(`/tasks/${taskId}/events?${query}`, { token: user.token }), 200).body;

    const first = await page('limit=3');
    expect(typesOf(first.items)).toEqual(LIFE.slice(0, 3));
    expect(first.next_cursor).toBe(first.items[2].seq);
    const second = await page(`limit=3&after_seq=${first.next_cursor}`);
    expect(typesOf(second.items)).toEqual(LIFE.slice(3));
    expect(second.next_cursor).toBeNull();
    expect(await page(`after_seq=${second.items[0].seq}`)).toEqual({ items: [], next_cursor: null });
  });

  it.each(['after_seq=-1', 'after_seq=x', 'limit=0', 'limit=101'])('refuses a page of ?%s', async (query) => {
    const refusal = await api(url).get(`/tasks/${foreignTask}/events?${query}`, { token: user.token });
    expect(expectStatus(refusal, 400).body).toMatchObject({ code: 'VALIDATION_FAILED' });
  });
});
