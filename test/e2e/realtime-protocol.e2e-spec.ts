import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import spectral from '@stoplight/spectral-core';
import rulesets from '@stoplight/spectral-rulesets';
import { EVENT_TYPES } from '../../src/feed/index.js';
import { api, expectStatus, registerUser, type TestUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { freePort } from '../../src/database/embedded/free-port.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { type FeedEvent, good, publish, seqsOf, submit } from './agents.js';
import { payloadFaults, readAsyncApi } from './asyncapi.js';
import { FeedSocket } from './feed-client.js';
import { ask } from './rows.js';

const repository = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

describe('the protocol of the live feed', () => {
  let database: TestDatabase;
  let dataDir: string;
  let server: ServerProcess;
  let env: Record<string, string>;
  let user: TestUser;
  let document: any;
  let examples: Example[] = [];

  beforeAll(async () => {
    document = await readAsyncApi();
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-realtime-'));
    env = { DATABASE_URL: database.url, DATA_DIR: dataDir, PORT: String(await freePort()) };
    server = await startServer({ env });
    user = await registerUser(server.url);
    await publish(server.url, user.token, 'good', await good(), { capabilities: ['good'] });
  });

  afterAll(async () => {
    await Promise.all(examples.map((example) => example.stop()));
    await server.stop();
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('is a valid AsyncAPI document', async () => {
    const linter = new spectral.Spectral();
    linter.setRuleset({
      extends: [[rulesets.asyncapi as never, 'recommended']],
      // Each installation has its own people to ask.
      rules: { 'asyncapi-info-contact': 'off' },
    });
    const findings = await linter.run(document);
    expect(findings.map(({ code, path, message }) => `${code} ${path.join('.')}: ${message}`)).toEqual([]);
  });

  it('names every type of event', () => {
    expect(document.components.schemas.FeedEvent.properties.type.enum).toEqual([...EVENT_TYPES]);
  });

  it('describes the messages as they are', async () => {
    const faults = await payloadFaults();
    const check = (name: string, payload: unknown): void => expect(faults(name, payload)).toEqual([]);
    const socket = await FeedSocket.connect(server.url, { token: user.token });
    const taskId = await submit(server.url, user.token, 'good');
    await waitForTask(server.url, user.token, taskId, 'completed');
    await until('its events are here', () => socket.received.length >= 4);
    for (const event of socket.received) check('event', event);
    const subscribed = await socket.ask('subscribe', { topic: `task:${taskId}`, after_seq: 0 });
    expect(subscribed).toMatchObject({ ok: true, events: [{}, {}, {}, {}] });
    check('subscribed', subscribed);
    check('subscribed', await socket.ask('subscribe', { topic: 'nothing' }));
    check('unsubscribed', await socket.ask('unsubscribe', { topic: `task:${taskId}` }));
    check('unsubscribed', await socket.ask('unsubscribe', {}));
    check('refreshed', await socket.ask('auth.refresh', { token: user.token }));
    check('refreshed', await socket.ask('auth.refresh', { token: 'another' }));
    const leaver = await registerUser(server.url);
    const leaving = await FeedSocket.connect(server.url, { token: leaver.token });
    expectStatus(await api(server.url).post('/auth/logout', undefined, { token: leaver.token }), 204);
    await until('the server says why it closes', () => leaving.closing !== undefined);
    check('closing', leaving.closing);
    expect(faults('event', { seq: 1 })).not.toEqual([]);
    socket.close();
  });

  it('describes what clients send as the server takes it, and nothing that it refuses', async () => {
    const faults = await payloadFaults();
    const socket = await FeedSocket.connect(server.url, { token: user.token });
    const taskId = await submit(server.url, user.token, 'good');
    const topic = `task:${taskId}`;
    const messages = [
      [
        'subscribe',
        'subscribe',
        [{ topic }, { topic, after_seq: 0 }],
        [{}, { topic: 7 }, { topic, after_seq: -1 }, { topic, after_seq: 'x' }],
      ],
      ['unsubscribe', 'unsubscribe', [{ topic }], [{}, { topic: 7 }]],
      ['auth.refresh', 'refresh', [{ token: user.token }], [{}, { token: 7 }]],
    ] as const;
    for (const [sent, described, taken, refused] of messages) {
      for (const body of taken) {
        expect([body, faults(described, body)]).toEqual([body, []]);
        expect(await socket.ask(sent, body)).toMatchObject({ ok: true });
      }
      for (const body of refused) {
        expect([body, faults(described, body)]).not.toEqual([body, []]);
        expect(await socket.ask(sent, body)).toMatchObject({ ok: false });
      }
    }
    socket.close();
  });

  it('is spoken by the example subscribers, which miss nothing while the server restarts', async () => {
    const [{ last }] = await ask<{ last: number }>(database.url, 'SELECT max(seq)::int AS last FROM task_events');
    const ownKey = { name: 'subscriber', scopes: ['tasks:read'] };
    const { key } = expectStatus(await api(server.url).post('/auth/api-keys', ownKey, { token: user.token }), 201).body;
    examples = [
      new Example('node', [repository('examples/subscribers/subscriber.mjs'), server.url, String(last)], key),
      new Example('python3', [repository('examples/subscribers/subscriber.py'), server.url, String(last)], key),
    ];
    const run = async () =>
      waitForTask(server.url, user.token, await submit(server.url, user.token, 'good'), 'completed');
    await run();
    await until('both are connected', () => examples.every(({ events }) => events.length >= 4));
    await server.kill('SIGKILL');
    server = await startServer({ env });
    await run();
    const rows = await ask<{ seq: number }>(
      database.url,
      'SELECT seq::int FROM task_events WHERE seq > $1 ORDER BY seq',
      [last],
    );
    const expected = rows.map(({ seq }) => seq);
    for (const subscriber of examples) {
      await until(`${subscriber.name} is at the end`, () => subscriber.events.at(-1)?.seq === expected.at(-1), 40_000);
      expect(seqsOf(subscriber.events)).toEqual(expected);
    }
  });

  it('is spoken by the example subscribers over connections that break in the middle of an event', async () => {
    const ownKey = { name: 'over breaking connections', scopes: ['tasks:read'] };
    const { key } = expectStatus(await api(server.url).post('/auth/api-keys', ownKey, { token: user.token }), 201).body;
    const { id } = expectStatus(await api(server.url).get('/auth/me', { token: user.token }), 200).body;
    const rows = await ask<{ seq: number }>(
      database.url,
      `WITH more AS (INSERT INTO task_events (type, user_id, data)
         SELECT 'task.log', $1, '{}' FROM generate_series(1, 50) RETURNING seq)
       SELECT seq::int FROM more ORDER BY seq`,
      [id],
    );
    const expected = rows.map(({ seq }) => seq);
    const program = (name: string) => repository(`examples/subscribers/${name}`);
    for (const [command, file] of [
      ['node', 'subscriber.mjs'],
      ['python3', 'subscriber.py'],
    ]) {
      const road = await startBreakingRoad(server.url, [2500, 3001, 3502]);
      const example = new Example(command, [program(file), road.url, String(expected[0] - 1)], key);
      try {
        await until(`${file} is at the end`, () => example.events.at(-1)?.seq === expected.at(-1), 40_000);
        expect(seqsOf(example.events)).toEqual(expected);
        expect(road.broken()).toBe(3);
      } finally {
        await example.stop();
        road.close();
      }
    }
  });
});

/** A way to the server on which each connection breaks after so many bytes of its answers; those after the last do not. */
async function startBreakingRoad(serverUrl: string, lengths: number[]) {
  const { hostname, port } = new URL(serverUrl);
  let broken = 0;
  const road = createServer((client) => {
    const server = connect(Number(port), hostname);
    let left = lengths[broken] ?? Infinity;
    client.on('error', () => undefined).on('close', () => server.destroy());
    server.on('error', () => undefined).on('close', () => client.destroy());
    client.pipe(server);
    server.on('data', (chunk) => {
      client.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left > 0) return;
      broken += 1;
      server.removeAllListeners('close').destroy();
      client.end();
    });
  });
  await once(road.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(road.address() as AddressInfo).port}`,
    broken: () => broken,
    close: () => void road.close(),
  };
}

class Example {
  private readonly process: ChildProcess;
  private output = '';

  constructor(
    readonly name: string,
    args: string[],
    apiKey: string,
  ) {
    const env = { ...process.env, API_KEY: apiKey };
    this.process = spawn(name, args, { env, stdio: ['ignore', 'pipe', 'ignore'] });
    this.process.stdout!.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
  }

  get events(): FeedEvent[] {
    return this.output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as FeedEvent);
  }

  async stop(): Promise<void> {
    this.process.kill();
    if (this.process.exitCode === null) await once(this.process, 'exit');
  }
}
