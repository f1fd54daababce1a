import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { type ExactLimit, type Limit, RateLimits } from '../../src/protection/index.js';
import { emptyRedis } from '../support/redis.js';

const EXACT: ExactLimit = { name: 'exact', points: 100, seconds: 60, exact: true };
const USUAL: Limit = { name: 'usual', points: 100, seconds: 60 };

describe('rate limits over two processes', () => {
  let clients: Redis[];
  let processes: RateLimits[];

  beforeAll(async () => {
    const { url, prefix } = await emptyRedis();
    clients = [new Redis(url), new Redis(url)];
    // One that is not connected yet counts by itself.
    await Promise.all(clients.map((client) => client.ping()));
    processes = clients.map((client) => new RateLimits(prefix, client));
  });

  afterAll(() => clients.forEach((client) => client.disconnect()));

  it('let an exact limit be reached to the point, wherever its requests come', async () => {
    const key = randomUUID();
    const verdicts = await take(EXACT, key, 110);
    expect(verdicts.map(({ count }) => count).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 110 }, (_, index) => index + 1),
    );
    expect(verdicts.filter(({ allowed }) => allowed)).toHaveLength(100);
  });

  it('count what was given back not at all: neither against a client that fails seldom nor for one that fails often', async () => {
    const key = randomUUID();
    await take(EXACT, key, 15);
    for (let success = 0; success < 300; success++) {
      const limits = processes[success % 2];
      expect((await limits.take(EXACT, key)).count).toBe(16);
      await limits.giveBack(EXACT, key);
    }
    expect((await take(EXACT, key, 100)).filter(({ allowed }) => allowed)).toHaveLength(85);
  });

  it('begin anew with what is forgotten', async () => {
    const key = randomUUID();
    await take(EXACT, key, 105);
    await processes[1].forget(EXACT, key);
    expect(await processes[0].take(EXACT, key)).toMatchObject({ allowed: true, count: 1 });
  });

  it('let a usual limit be passed by a tenth for each process at the most', async () => {
    const allowed = (await take(USUAL, randomUUID(), 200)).filter((verdict) => verdict.allowed).length;
    expect(allowed).toBeGreaterThanOrEqual(100);
    expect(allowed).toBeLessThanOrEqual(120);
  });

  it('count what takes more than one point, as much in a few steps as in many', async () => {
    const key = randomUUID();
    const counts = [];
    for (const points of [4, 5, 30, 40]) counts.push((await processes[0].take(USUAL, key, points)).count);
    expect(counts).toEqual([4, 9, 39, 79]);
    expect(await processes[1].take(USUAL, key, 22)).toMatchObject({ allowed: false, count: 101 });
  });

  /** From both in turns. */
  async function take(limit: Limit, key: string, count: number) {
    const verdicts = [];
    for (let index = 0; index < count; index++) verdicts.push(await processes[index % 2].take(limit, key));
    return verdicts;
  }
});
