import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Random } from '../chaos/random.js';
import { api, expectStatus, loginAdmin, registerUser, type TestUser } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { emptyRedis, type TestRedis } from '../support/redis.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';
import { seqsOf } from './agents.js';
import { FeedSocket } from './feed-client.js';
import { ask } from './rows.js';

/** Of what is left to chance; when things happen is not, so the same number need not find the same fault. */
const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 32);
/** Of each way to resume. */
const SUBSCRIBERS = 3;
const BURSTS = 20;
const BURST = 500;
/** In one statement: more than any page, batch or acknowledgement carries. */
const GREAT_BURST = 10_000;

describe('subscribers of several nodes', () => {
  let redis: TestRedis;
  let database: TestDatabase;
  let dataDir: string;
  let env: Record<string, string>;
  let nodes: ServerProcess[];
  let user: TestUser;
  let userId: string;

  beforeAll(async () => {
    redis = await emptyRedis();
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-nodes-'));
    env = { DATABASE_URL: database.url, REDIS_URL: redis.url, QUEUE_PREFIX: redis.prefix, DATA_DIR: dataDir };
    nodes = [await startNode(), await startNode()];
    user = await registerUser(nodes[0].url);
    userId = expectStatus(await api(nodes[0].url).get('/auth/me', { token: user.token }), 200).body.id;
  });

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await database.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const startNode = (): Promise<ServerProcess> => startServer({ roles: ['api'], env });

  it('miss nothing and get nothing twice over broken connections, killed nodes and bursts', async () => {
    const done = new AbortController();
    const random = new Random(SEED);
    const admin = await loginAdmin(nodes[0].url);
    const subscribers = Array.from({ length: SUBSCRIBERS }, () => [
      new Wanderer({ token: user.token }, undefined, () => nodes, random),
      new Wanderer({ token: admin }, `user:${userId}`, () => nodes, random),
    ]).flat();
    const wandering = subscribers.map((subscriber) => subscriber.wander(done.signal));

    const record = (burst: number, events: number) =>
      ask(
        database.url,
        `INSERT INTO task_events (type, user_id, data)
         SELECT 'task.log', $1, json_build_object('burst', $2::int, 'n', n) FROM generate_series(1, $3::int) AS n`,
        [userId, burst, events],
      );
    await record(0, GREAT_BURST);
    for (let burst = 1; burst <= BURSTS; burst++) {
      await record(burst, BURST);
      await pause(random.between(0, 200));
      if (burst % 7 === 0) {
        const victim = burst % nodes.length;
        await nodes[victim].kill('SIGKILL');
        nodes[victim] = await startNode();
      }
    }
    const rows = await ask<{ seq: number }>(
      database.url,
      'SELECT seq::int FROM task_events WHERE user_id = $1 ORDER BY seq',
      [userId],
    );
    const expected = rows.map(({ seq }) => seq);
    expect(expected).toHaveLength(GREAT_BURST + BURSTS * BURST);
    await until('everybody is at the end', () => subscribers.every(({ last }) => last === expected.at(-1)), 60_000);
    done.abort();
    await Promise.all(wandering);

    for (const { seqs, topic = 'its own' } of subscribers) {
      expect({ SEED, topic, seqs }).toEqual({ SEED, topic, seqs: expected });
    }
    // Otherwise nothing was tried.
    expect(Math.min(...subscribers.map(({ connections }) => connections))).toBeGreaterThan(3);
  }, 180_000);
});

/**
 * Follows a user from node to node, leaves in the middle of it, and resumes after the last event it has seen: its own feed by the
 * handshake, another's by subscribing.
 */
class Wanderer {
  readonly seqs: number[] = [];
  connections = 0;

  constructor(
    private readonly credentials: { token: string },
    /** Unset: its own. */
    readonly topic: string | undefined,
    private readonly nodes: () => readonly ServerProcess[],
    private readonly random: Random,
  ) {}

  get last(): number {
    return this.seqs.at(-1) ?? 0;
  }

  async wander(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { url } = this.random.pick(this.nodes());
      const cursor = this.topic ? {} : { after_seq: this.last };
      const socket = await FeedSocket.connect(url, { ...this.credentials, ...cursor }).catch(() => null);
      if (!socket) {
        await pause(50);
        continue;
      }
      this.connections += 1;
      const leaveAt = Date.now() + this.random.between(50, 750);
      if (this.topic) await this.catchUp(socket, this.topic).catch(() => undefined);
      while (socket.connected && !signal.aborted && Date.now() < leaveAt) await pause(10);
      socket.close();
      this.seqs.push(...seqsOf(socket.received));
    }
  }

  /** Subscribes after what it has seen, until an answer carries all there was. */
  private async catchUp(socket: FeedSocket, topic: string): Promise<void> {
    for (let complete = false; !complete;) {
      const answer = await socket.ask('subscribe', { topic, after_seq: this.last });
      if (!answer.ok) throw new Error(answer.code);
      this.seqs.push(...seqsOf(answer.events));
      complete = answer.complete;
    }
  }
}
