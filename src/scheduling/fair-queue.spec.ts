import { describe, expect, it } from '@jest/globals';
import { array, assert, constantFrom, integer, property, record } from 'fast-check';
import { FairQueue } from './fair-queue.js';

describe('the next turn', () => {
  const fair = (...users: string[]): FairQueue => {
    const queue = new FairQueue();
    queue.setActive(new Map(users.map((user) => [user, 1])));
    return queue;
  };
  const tasks = (...ids: string[]) => ids.map((id) => ({ id, user: id[0] }));
  const idsOf = (turns: { id: string }[]): string => turns.map(({ id }) => id).join(' ');

  it('alternates between users, whoever submitted first, and keeps each user’s own order', () => {
    const queue = fair('a', 'b');
    expect(idsOf(queue.next(tasks('a3', 'a1', 'a2', 'b4', 'b5'), [], 5))).toBe('a3 b4 a1 b5 a2');
  });

  it('is that of a stranger while another user’s tasks run and wait', () => {
    const queue = fair('a', 's');
    queue.charge('a', 3000);
    const running = Array.from({ length: 4 }, () => ({ user: 'a', usedMs: 750 }));
    expect(idsOf(queue.next(tasks('a5', 'a6', 's7'), running, 2))).toBe('s7 a5');
  });

  it('counts the time that tasks used, not their number', () => {
    const queue = fair('a', 'b');
    queue.charge('a', 1000);
    queue.charge('b', 10);
    expect(idsOf(queue.next(tasks('a1', 'b2', 'b3', 'b4'), [], 3))).toBe('b2 b3 a1');
    expect(idsOf(queue.next(tasks('a1', 'b2', 'b3', 'b4'), [], 1))).toBe('b2');
  });

  it('goes to a user over its share when no other user waits', () => {
    const queue = fair('a', 'b');
    queue.charge('a', 60_000);
    const running = Array.from({ length: 4 }, () => ({ user: 'a', usedMs: 15_000 }));
    expect(idsOf(queue.next(tasks('a5', 'a6'), running, 2))).toBe('a5 a6');
  });

  it('does not go to a user that was idle for each turn it did not take', () => {
    const queue = fair('a');
    queue.charge('a', 60_000);
    queue.setActive(
      new Map([
        ['a', 1],
        ['b', 1],
      ]),
    );
    expect(idsOf(queue.next(tasks('a1', 'a2', 'a3', 'b4', 'b5', 'b6'), [], 6))).toBe('a1 b4 a2 b5 a3 b6');
  });

  it('comes for a waiting user, however many newcomers there are', () => {
    const queue = new FairQueue();
    let turns = 0;
    for (let newcomer = 1000; newcomer < 1100; newcomer++) {
      queue.setActive(
        new Map([
          ['a', 1],
          [`${newcomer}`, 1],
        ]),
      );
      const [{ user }] = queue.next(
        [
          { id: '1', user: 'a' },
          { id: `${newcomer}`, user: `${newcomer}` },
        ],
        [],
        1,
      );
      queue.charge(user, 100);
      if (user === 'a') turns++;
    }
    expect(turns).toBeGreaterThanOrEqual(40);
  });

  it('is none when nothing waits', () => {
    expect(fair().next([], [], 3)).toEqual([]);
  });
});

describe('slots that are given by turns', () => {
  const TICKS = 3000;
  /** Durations in ticks, taken in turn. */
  const durations = array(integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });
  const others = array(
    record({
      at: integer({ min: 0, max: TICKS }),
      user: constantFrom('x', 'y'),
      count: integer({ min: 1, max: 200 }),
      durations,
    }),
    { maxLength: 12 },
  );

  it('give each user that always waits at least 0.8 of its weighted share, whatever the others submit', () => {
    assert(
      property(
        integer({ min: 1, max: 8 }),
        array(record({ durations, weight: integer({ min: 1, max: 4 }) }), { minLength: 1, maxLength: 6 }),
        others,
        (slots, greedy, bursts) => {
          const { served, fullShares } = simulate(slots, greedy, bursts);
          for (const [index, ticks] of served.entries()) {
            expect([index, ticks >= 0.8 * greedy[index].weight * fullShares]).toEqual([index, true]);
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  interface Burst {
    at: number;
    user: string;
    count: number;
    durations: number[];
  }

  /**
   * Users 0, 1, … always have tasks that wait; the others have those of their bursts.
   * @returns the slot time of each greedy user, and what a weight of 1 was worth over the time, ticks
   */
  function simulate(slots: number, greedy: { durations: number[]; weight: number }[], bursts: Burst[]) {
    const queue = new FairQueue();
    const running: { user: string; usedMs: number; left: number }[] = [];
    const waiting = new Map<string, number[]>();
    const served = greedy.map(() => 0);
    const started = greedy.map(() => 0);
    let [fullShares, number] = [0, 0];
    for (let tick = 0; tick < TICKS; tick++) {
      for (const { user, count, durations: some } of bursts.filter(({ at }) => at === tick)) {
        const line = waiting.get(user) ?? [];
        for (let added = 0; added < count; added++) line.push(some[added % some.length]);
        waiting.set(user, line);
      }
      const heads = [
        ...greedy.flatMap(({ durations: some }, index) =>
          Array.from({ length: slots }, (_, ahead) => ({
            id: `${(number++).toString().padStart(9, '0')}`,
            user: `${index}`,
            ticks: some[(started[index] + ahead) % some.length],
          })),
        ),
        ...[...waiting].flatMap(([user, line]) =>
          line.slice(0, slots).map((ticks) => ({ id: `${(number++).toString().padStart(9, '0')}`, user, ticks })),
        ),
      ];
      const weights = new Map([...heads, ...running].map(({ user }) => [user, greedy[Number(user)]?.weight ?? 1]));
      queue.setActive(weights);
      fullShares += slots / [...weights.values()].reduce((sum, weight) => sum + weight);
      for (const { user, ticks } of queue.next(heads, running, slots - running.length)) {
        running.push({ user, usedMs: 0, left: ticks });
        if (waiting.has(user)) waiting.get(user)!.shift();
        else started[Number(user)]++;
      }
      for (const task of [...running]) {
        task.usedMs++;
        task.left--;
        queue.charge(task.user, 1);
        if (!waiting.has(task.user)) served[Number(task.user)]++;
        if (task.left > 0) continue;
        running.splice(running.indexOf(task), 1);
        queue.learn(task.usedMs);
      }
    }
    return { served, fullShares };
  }
});
