import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { api, expectStatus, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';
import { echo, type FeedEvent, publish, submit } from './agents.js';
import { ask } from './rows.js';

interface Received {
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  body: { type: string; timestamp: string; data: FeedEvent };
}

describe('webhooks', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let env: Record<string, string>;
  let user: TestUser;
  let owner: TestUser;
  let agentId: string;
  let receiver: Server;
  const received: Received[] = [];
  /** How the receiver answers, by path; others get 204. Null: it never answers. */
  const answers: Record<string, ((request: Received) => number) | null> = {};
  const waiting = new Set<ServerResponse>();

  beforeAll(async () => {
    receiver = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const text = String(Buffer.concat(chunks));
      const one = { path: request.url ?? '', headers: request.headers, text, body: JSON.parse(text) };
      received.push(one);
      const answer = answers[one.path];
      if (answer === null) return void waiting.add(response);
      response.writeHead(answer?.(one) ?? 204).end();
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    const { port } = receiver.address() as AddressInfo;
    database = await createTestDatabase();
    env = {
      DATABASE_URL: database.url,
      MIN_AGENT_RATING: '0',
      SECRETS_KEY: 'the key of this test, thirty-two characters',
      JWT_SECRET: 'the secret of this test, thirty-two characters',
      EGRESS_PRIVATE_HOSTS: `hooks.example.com:80=127.0.0.1:${port}`,
      WEBHOOK_TIMEOUT_MS: '2000',
      WEBHOOK_CONCURRENCY: '3',
      MAX_WEBHOOKS_PER_USER: '4',
    };
    server = await startServer({ env });
    user = await registerUser(server.url);
    owner = await registerUser(server.url);
    agentId = await publish(server.url, owner.token, 'echo', await echo(), { capabilities: ['echo'] });
  });

  afterAll(async () => {
    await server?.stop();
    receiver?.closeAllConnections();
    receiver?.close();
    await database?.drop();
  });

  it('get the events of their user, signed, in order, as the feed shows them', async () => {
    const hook = await create(user, '/own');
    const id = await task('own');
    const events = await feedOf(user, id);
    const sent = await until('all events arrived', () => {
      const firsts = withoutRepeats(enough('/own', id, events.length) || []);
      return firsts.length >= events.length && firsts;
    });
    expect(sent.map(({ body }) => body.data)).toEqual(events);
    for (const { headers, text, body } of sent) {
      expect(new Webhook(hook.secret).verify(text, headers as Record<string, string>)).toEqual(body);
      expect(body).toMatchObject({ type: body.data.type, timestamp: body.data.at });
    }
    const page = expectStatus(await get(`/webhooks/${hook.id}/deliveries?state=delivered`, user), 200).body;
    expect(page.items[0]).toMatchObject({
      type: 'task.completed',
      task_id: id,
      attempts: [{ status: 204, code: null }],
    });
    await remove(user, hook);
  });

  it('show the owner of an agent no more than the feed does, and only what the filters name', async () => {
    const hook = await create(owner, '/owner', { events: ['task.queued', 'task.completed', 'task.log'] });
    const other = await create(owner, '/other', { agents: ['01993c5e-0b1d-7a52-8c3e-2f4a6b8c0d1e'] });
    const id = await task('of another user');
    const [sent] = await until('the end arrived', () => enough('/owner', id, 1));
    const [seen] = (await feedOf(owner, id)).filter(({ type }) => type === 'task.completed');
    expect(sent.body.data).toEqual(seen);
    expect(sent.text).not.toContain('of another user');
    expect(received.filter(({ path, body }) => path === '/owner' && body.type === 'task.queued')).toEqual([]);
    expect(received.filter(({ path }) => path === '/other')).toEqual([]);
    await remove(owner, hook);
    await remove(owner, other);
  });

  it('are tried again after a failure, and later events of the same task wait for it', async () => {
    const hook = await create(user, '/flaky');
    let refused = 0;
    answers['/flaky'] = ({ body }) => (body.type === 'task.queued' && refused++ === 0 ? 500 : 204);
    const id = await task('flaky');
    const sent = await until('all events arrived', () => enough('/flaky', id, 5));
    const types = sent.map(({ body }) => body.type);
    expect(types.slice(0, 2)).toEqual(['task.queued', 'task.queued']);
    expect(types.at(-1)).toBe('task.completed');
    expect(sent[0].headers['webhook-id']).toBe(sent[1].headers['webhook-id']);
    const page = expectStatus(await get(`/webhooks/${hook.id}/deliveries`, user), 200).body;
    const [queued] = page.items.filter(({ type }: { type: string }) => type === 'task.queued');
    expect(queued.attempts).toMatchObject([
      { status: 500, code: 'HTTP_STATUS' },
      { status: 204, code: null },
    ]);
    await remove(user, hook);
  });

  it('can be pinged, sign with both secrets after a rotation, and replay one delivery or a range', async () => {
    const hook = await create(user, '/again', { events: ['task.completed'] });
    const rotated = expectStatus(await post(`/webhooks/${hook.id}/secret`, { overlap_s: 60 }, user), 200).body;
    expect(rotated.secret).not.toBe(hook.secret);
    const ping = expectStatus(await post(`/webhooks/${hook.id}/ping`, undefined, user), 202).body;
    const [pinged] = await until('the ping arrived', () => enough('/again', undefined, 1));
    expect(pinged.headers['webhook-id']).toBe(ping.message_id);
    expect(pinged.body).toMatchObject({ type: 'webhook.ping', data: { webhook_id: hook.id } });
    for (const { secret } of [hook, rotated]) {
      expect(() => new Webhook(secret).verify(pinged.text, pinged.headers as Record<string, string>)).not.toThrow();
    }
    const id = await task('again');
    const [first] = await until('it arrived', () => enough('/again', id, 1));
    const delivery = await until('its end is recorded', async () => {
      const { items } = (await get(`/webhooks/${hook.id}/deliveries?state=delivered`, user)).body;
      return items.find(({ task_id }: { task_id: string }) => task_id === id);
    });
    expectStatus(await post(`/webhooks/${hook.id}/deliveries/${delivery.id}/replay`, undefined, user), 202);
    const [, second] = await until('it arrived again', () => enough('/again', id, 2));
    expect(second.headers['webhook-id']).toBe(first.headers['webhook-id']);
    const range = { after_seq: delivery.seq - 1, until_seq: delivery.seq };
    const replayed = expectStatus(await post(`/webhooks/${hook.id}/replay`, range, user), 202).body;
    expect(replayed).toEqual({ replayed: 1, next_after_seq: null });
    await until('it arrived a third time', () => enough('/again', id, 3));
    await remove(user, hook);
  });

  it('are disabled by the answer 410 with a notice, and send what came meanwhile once they are active again', async () => {
    const hook = await create(user, '/gone', { events: ['task.completed'] });
    answers['/gone'] = () => 410;
    const first = await task('first');
    const notice = await until('the notice is there', async () =>
      (await events(user)).find(({ type, data }) => type === 'webhook.disabled' && data.webhook_id === hook.id),
    );
    expect(notice.data).toMatchObject({ reason: 'gone' });
    const shown = expectStatus(await get(`/webhooks/${hook.id}`, user), 200).body;
    expect(shown).toMatchObject({ status: 'disabled', disabled_reason: 'gone' });
    expectStatus(await post(`/webhooks/${hook.id}/ping`, undefined, user), 409);
    const second = await task('second');
    delete answers['/gone'];
    expectStatus(await patch(`/webhooks/${hook.id}`, { status: 'active' }, user), 200);
    await until('the second arrived', () => enough('/gone', second, 1));
    expect(enough('/gone', first, 2)).toBe(false);
    await remove(user, hook);
  });

  it('refuse wrong requests and those of others, and nothing changes', async () => {
    const hook = await create(user, '/kept');
    // Without what workers write: leases, and places in the feed.
    const rows = async () => [
      await ask(database.url, 'SELECT id, url, status, event_types, agent_ids, sealed, previous_sealed FROM webhooks'),
      await ask(database.url, 'SELECT id, state FROM webhook_deliveries ORDER BY id'),
    ];
    const before = await rows();
    for (const url of [
      ...['http://hooks.acme.dev/', 'https://127.0.0.1/', 'https://[::1]/', 'https://169.254.169.254/latest'],
      ...['https://localhost/', 'https://hooks.internal/', 'https://hooks.acme.dev:8443/', 'ftp://hooks.acme.dev/'],
      ...['https://user:password@hooks.acme.dev/', 'no url', '', `https://hooks.acme.dev/${'x'.repeat(2048)}`],
    ]) {
      const refused = expectStatus(await post('/webhooks', { url }, user), 400).body;
      expect(refused.errors[0].field).toBe('url');
      expectStatus(await patch(`/webhooks/${hook.id}`, { url }, user), 400);
    }
    const url = 'https://hooks.acme.dev/';
    expectStatus(await post('/webhooks', { url, events: ['task.exploded'] }, user), 400);
    expectStatus(await post('/webhooks', { url, agents: ['echo'] }, user), 400);
    for (const path of [`/webhooks/${hook.id}`, `/webhooks/${hook.id}/deliveries`, '/webhooks/none'])
      expectStatus(await get(path, owner), 404);
    expectStatus(await patch(`/webhooks/${hook.id}`, { status: 'paused' }, owner), 404);
    expectStatus(await post(`/webhooks/${hook.id}/ping`, undefined, owner), 404);
    expectStatus(await post(`/webhooks/${hook.id}/secret`, {}, owner), 404);
    expectStatus(await post(`/webhooks/${hook.id}/replay`, { after_seq: 0 }, owner), 404);
    expectStatus(await api(server.url).delete(`/webhooks/${hook.id}`, { token: owner.token }), 404);
    expect(await rows()).toEqual(before);
    const narrow = await keyAsBearer(['account:write']);
    expect(expectStatus(await api(server.url).post('/webhooks', { url }, narrow), 403).body.code).toBe(
      'SCOPE_REQUIRED',
    );
    for (let n = 1; n < 4; n++) await create(user, `/more-${n}`);
    expect(expectStatus(await post('/webhooks', { url }, user), 403).body.code).toBe('QUOTA_EXCEEDED');
    const { items } = expectStatus(await get('/webhooks', user), 200).body;
    expect(JSON.stringify(items)).not.toContain('whsec_');
    for (const one of items) await remove(user, one);
  });

  it('of one user that never answer take no place from those of others', async () => {
    answers['/silent'] = null;
    const silent = [1, 2, 3, 4].map(() => create(user, '/silent', { events: ['task.completed'] }));
    const hooks = await Promise.all(silent);
    const quick = await create(owner, '/quick', { events: ['task.completed'] });
    for (let n = 0; n < 4; n++) await task(`silent ${n}`);
    await until('two requests wait', () => waiting.size >= 2);
    const id = await task('quick');
    await until('the other user has its event', () => enough('/quick', id, 1));
    expect(enough('/silent', id, 1)).toBe(false);
    for (const hook of hooks) await remove(user, hook);
    await remove(owner, quick);
    delete answers['/silent'];
  });

  it('lose nothing when their process is killed', async () => {
    answers['/killed'] = null;
    await create(user, '/killed', { events: ['task.completed'] });
    waiting.clear();
    const first = await task('under way');
    await until('the request is under way', () => waiting.size === 1);
    const second = await task('waits');
    await server.kill('SIGKILL');
    delete answers['/killed'];
    server = await startServer({ env });
    await until('both arrived', () => enough('/killed', first, 2) && enough('/killed', second, 1));
  });

  const get = (path: string, { token }: TestUser) => api(server.url).get(path, { token });
  const post = (path: string, body: unknown, { token }: TestUser) => api(server.url).post(path, body, { token });
  const patch = (path: string, body: unknown, { token }: TestUser) => api(server.url).patch(path, body, { token });

  async function create(by: TestUser, path: string, fields: object = {}): Promise<{ id: string; secret: string }> {
    const body = { url: `http://hooks.example.com${path}`, ...fields };
    return expectStatus(await post('/webhooks', body, by), 201).body;
  }

  async function remove({ token }: TestUser, { id }: { id: string }): Promise<void> {
    expectStatus(await api(server.url).delete(`/webhooks/${id}`, { token }), 204);
  }

  async function keyAsBearer(scopes: string[]) {
    const made = expectStatus(await post('/auth/api-keys', { name: 'narrow', scopes }, user), 201).body;
    return { token: made.key as string };
  }

  /** A task of the user that the owner's agent completes. */
  async function task(text: string): Promise<string> {
    const id = await submit(server.url, user.token, 'echo', { input: { text } });
    const done = await waitForTask(server.url, user.token, id, 'completed');
    expect(done.agent_id).toBe(agentId);
    return id;
  }

  const events = async (by: TestUser): Promise<FeedEvent[]> => {
    const all: FeedEvent[] = [];
    for (let after: number | null = 0; after !== null;) {
      const page: { items: FeedEvent[]; next_cursor: number | null } = (await get(`/events?after_seq=${after}`, by))
        .body;
      all.push(...page.items);
      after = page.next_cursor;
    }
    return all;
  };
  const feedOf = async (by: TestUser, id: string) => (await events(by)).filter(({ task_id }) => task_id === id);

  /** A busy machine may answer too late, and then an event is sent again, with the same id. */
  const withoutRepeats = (all: readonly Received[]): Received[] =>
    [...new Map(all.toReversed().map((one) => [one.headers['webhook-id'], one])).values()].toReversed();

  /** What arrived at a path about a task (undefined: without one), once there are so many. */
  function enough(path: string, taskId: string | undefined, count: number): Received[] | false {
    const found = received.filter((one) => one.path === path && one.body.data.task_id === taskId);
    return found.length >= count && found;
  }
});
