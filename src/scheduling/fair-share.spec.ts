import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { parseEnvironment } from '../config/index.js';
import type { QueueEntry, TaskQueue } from '../queue/index.js';
import { FairShare } from './fair-share.js';
import type { TurnReader } from './turn-reader.js';

describe('the giver of turns', () => {
  let stop: () => Promise<void> = async () => undefined;
  beforeEach(() => void jest.useFakeTimers());
  afterEach(async () => {
    await stop();
    jest.useRealTimers();
  });

  it('keeps no more in the line than a worker needs that takes nothing', async () => {
    const { calls } = await runFor(500, { waiting: tasks('a1 a2 a3 a4') });
    expect(calls).toEqual(['a1']);
  });

  it('takes a turn back when a stranger comes while the line stands still', async () => {
    const world = await runFor(60, { waiting: tasks('a1 a2 a3'), working: tasks('a0') });
    expect(world.line).toEqual(['a1']);
    world.waiting.push(...tasks('s4'));
    await passes(300);
    expect(world.line).toEqual(['s4']);
  });

  it('takes a turn back when its user has a more urgent task', async () => {
    const world = await runFor(60, { waiting: tasks('a1 a2') });
    world.waiting.push({ ...tasks('a3')[0], below: 0 });
    await passes(300);
    expect(world.line).toEqual(['a3']);
  });

  it('goes by priority over all users where users do not take turns', async () => {
    const waiting = [...tasks('a1 a2 a3 a4'), { ...tasks('s5')[0], below: 3 }].map((task, index) =>
      index < 4 ? { ...task, below: index % 2 } : task,
    );
    const { calls } = await runFor(200, { waiting, fairness: false, takes: true });
    expect(calls).toEqual(['a1', 'a3', 'a2', 'a4', 's5']);
  });

  it('alternates between users where they do', async () => {
    const { calls } = await runFor(200, { waiting: tasks('a1 a2 a3 a4 b5 b6'), takes: true });
    expect(calls).toEqual(['a1', 'b5', 'a2', 'b6', 'a3', 'a4']);
  });

  it('gives no user more turns at a time than it may have', async () => {
    const { calls } = await runFor(200, { waiting: tasks('a1 a2 a3 a4 b5'), takes: true, userWindow: 2 });
    expect(calls).toEqual(['a1', 'b5', 'a2']);
  });

  it('gives a user further turns while its tasks wait for answers', async () => {
    const parked = tasks('a1 a2').map((task) => ({ ...task, parked: true }));
    const { calls } = await runFor(200, { waiting: tasks('a3 a4 a5'), working: parked, takes: true, userWindow: 2 });
    expect(calls).toEqual(['a3', 'a4']);
  });

  it('gives a turn again when the queue has lost the entry', async () => {
    const world = await runFor(60, { waiting: tasks('a1') });
    world.line = [];
    world.lost = ['a1'];
    await passes(5000);
    expect(world.calls).toEqual(['a1', 'a1']);
  });

  it('takes the entry away of a task that was cancelled while it was being added', async () => {
    const world = await runFor(60, { waiting: tasks('a1'), cancelledInAdd: ['a1'] });
    await passes(300);
    expect([world.calls, world.line]).toEqual([['a1'], []]);
  });

  it('does nothing in a process that does not hold the lock', async () => {
    const { calls } = await runFor(60, { waiting: tasks('a1'), isHolder: false });
    expect(calls).toEqual([]);
  });

  interface Scenario {
    waiting: Task[];
    working?: (Task & { parked?: boolean })[];
    /** Workers take each entry at once, and never end it. */
    takes?: boolean;
    fairness?: boolean;
    userWindow?: number;
    isHolder?: boolean;
    /** Tasks that are cancelled when their entries are added. */
    cancelledInAdd?: string[];
  }

  /** Gives turns for some time over a queue and tables in memory. */
  async function runFor(
    ms: number,
    { waiting, working = [], takes, isHolder = true, cancelledInAdd = [], ...config }: Scenario,
  ) {
    const world = { waiting, working, calls: [] as string[], line: [] as string[], lost: [] as string[] };
    const cancelled: (Task & { status: 'cancelled' })[] = [];
    const reader: Pick<TurnReader, 'waiting' | 'progress'> = {
      waiting: async (except) => world.waiting.filter(({ id }) => !except.includes(id)),
      progress: async (known) => [
        ...world.working.map((task) => ({ status: 'running' as const, parked: false, ...task, used_ms: 100 })),
        ...world.waiting
          .filter(({ id }) => known.includes(id))
          .map((task) => ({ ...task, status: 'queued' as const, parked: false, used_ms: 0 })),
        ...cancelled.filter(({ id }) => known.includes(id)).map((task) => ({ ...task, parked: false, used_ms: 0 })),
      ],
    };
    const queue: Partial<TaskQueue> = {
      async add(entries: readonly QueueEntry[]) {
        world.calls.push(...entries.map(({ taskId }) => taskId));
        const lost = world.waiting.filter(({ id }) => cancelledInAdd.includes(id));
        cancelled.push(...lost.map((task) => ({ ...task, status: 'cancelled' as const })));
        world.waiting = world.waiting.filter((task) => !lost.includes(task));
        if (!takes) return void world.line.push(...entries.map(({ taskId }) => taskId));
        const taken = world.waiting.filter(({ id }) => entries.some(({ taskId }) => taskId === id));
        world.waiting = world.waiting.filter((task) => !taken.includes(task));
        world.working.push(...taken);
      },
      async remove(taskId: string) {
        world.line = world.line.filter((id) => id !== taskId);
      },
      counts: async () => ({ waiting: world.line.length, active: 0, delayed: 0 }),
      missing: async (ids) => ids.filter((id) => world.lost.includes(id) && !world.line.includes(id)),
    };
    const slice = { ...parseEnvironment({}).queue, ...config };
    const fair = new FairShare(reader as TurnReader, queue as TaskQueue, slice);
    stop = () => fair.stop();
    fair.start(async () => isHolder);
    await passes(ms);
    return world;
  }
});

type Task = ReturnType<typeof tasks>[number];

/** Tasks of `normal` priority; the first letter of an id is its user, and ids sort by age. */
const tasks = (ids: string) => ids.split(' ').map((id) => ({ id, user_id: id[0], weight: 1, below: 2 }));

const passes = (ms: number): Promise<void> => jest.advanceTimersByTimeAsync(ms);
