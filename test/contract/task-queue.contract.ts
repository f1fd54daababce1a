import { setTimeout as pause } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { newId } from '../../src/common/ids.js';
import type { TaskQueue } from '../../src/queue/index.js';
import { until } from '../support/until.js';

/** Where an empty queue of a test's own lives. */
export interface QueueBackend {
  /** Opens the queue as one more process of the installation does. */
  open(): Promise<QueueOfProcess>;
  /** Removes it. */
  drop(): Promise<void>;
}

export interface QueueOfProcess {
  queue: TaskQueue;
  /** Ends all that the process has, after `stopConsuming`. */
  exit(): Promise<void>;
}

/** The contract of the port `TaskQueue`, for one backend. `start` is called before each test. */
export function describeTaskQueue(name: string, start: () => Promise<QueueBackend>): void {
  describe(`a task queue on ${name}`, () => {
    let backend: QueueBackend;
    let processes: QueueOfProcess[];

    beforeAll(() => Logger.overrideLogger(false));
    afterAll(() => Logger.overrideLogger(['error', 'warn', 'log']));

    beforeEach(async () => {
      backend = await start();
      processes = [];
    });

    afterEach(async () => {
      for (const { queue, exit } of processes) {
        await queue.stopConsuming();
        await exit();
      }
      await backend.drop();
    });

    /** The queue as one more process of the installation has it. */
    async function open(): Promise<TaskQueue & { exit(): Promise<void> }> {
      const process = await backend.open();
      processes.push(process);
      const { queue } = process;
      const exit = async (): Promise<void> => {
        processes = processes.filter((other) => other !== process);
        await queue.stopConsuming();
        await process.exit();
      };
      return Object.assign(queue, { exit });
    }

    it('hands each entry to one worker, once', async () => {
      const [one, other] = [await open(), await open()];
      const ids = newIds(100);
      const handled: string[] = [];
      const handler = async (taskId: string): Promise<void> => void handled.push(taskId);
      await one.consume(handler, 4);
      await other.consume(handler, 4);
      await one.add(ids.map(entry));
      await drained(one);
      expect(handled.sort()).toEqual(ids);
    });

    it('takes a thousand entries in one add', async () => {
      const queue = await open();
      const ids = newIds(1000);
      await queue.add(ids.map(entry));
      expect(await queue.counts()).toEqual({ waiting: 1000, active: 0, delayed: 0 });
      const handled: string[] = [];
      await queue.consume(async (taskId) => void handled.push(taskId), 50);
      await drained(queue);
      expect(handled.sort()).toEqual(ids);
    });

    it('takes nothing in an add of nothing', async () => {
      const queue = await open();
      await queue.add([]);
      expect(await queue.counts()).toEqual({ waiting: 0, active: 0, delayed: 0 });
    });

    it('ignores an entry that waits already', async () => {
      const queue = await open();
      const [twice, last] = newIds(2);
      await queue.add([entry(twice), entry(twice)]);
      await queue.add([entry(twice)]);
      await queue.add([entry(last)]);
      expect(await queue.counts()).toEqual({ waiting: 2, active: 0, delayed: 0 });
      const worker = await work(queue);
      await until('the last entry was handed out', () => worker.begun.includes(last));
      expect(worker.begun).toEqual([twice, last]);
    });

    it('ignores an entry that a worker holds, and takes it again once that is done', async () => {
      const queue = await open();
      const [id, next] = newIds(2);
      const worker = await work(queue, { hold: true });
      await queue.add([entry(id)]);
      await until('a worker holds the entry', () => worker.begun.length === 1);
      await queue.add([entry(id), entry(next)]);
      worker.release();
      await drained(queue);
      expect(worker.begun).toEqual([id, next]);

      await queue.add([entry(id)]);
      await drained(queue);
      expect(worker.begun).toEqual([id, next, id]);
    });

    it('says which of many tasks have no entry, waiting, put off or held', async () => {
      const queue = await open();
      const [held, waiting, putOff, removed, ...never] = newIds(100);
      const worker = await work(queue, { hold: true });
      await queue.add([entry(held)]);
      await until('a worker holds one', () => worker.begun.length === 1);
      await queue.add([entry(waiting), entry(removed), { ...entry(putOff), delayMs: 60_000 }]);
      await queue.remove(removed);
      const all = [held, waiting, putOff, removed, ...never];
      expect(await queue.missing(all)).toEqual([removed, ...never]);
      worker.release();
      await until('the others are done', async () => {
        const counts = await queue.counts();
        return counts.waiting + counts.active === 0;
      });
      expect(await queue.missing(all)).toEqual(all.filter((id) => id !== putOff));
      expect(await queue.missing([])).toEqual([]);
    });

    it('hands entries out in the order in which they were added', async () => {
      const queue = await open();
      const ids = newIds(8);
      await queue.add(ids.slice(0, 3).map(entry));
      for (const id of ids.slice(3)) await queue.add([entry(id)]);
      const worker = await work(queue);
      await drained(queue);
      expect(worker.begun).toEqual(ids);
    });

    it('adds an entry that was removed behind those that wait', async () => {
      const queue = await open();
      const [moved, ...others] = newIds(3);
      await queue.add([moved, ...others].map(entry));
      await queue.remove(moved);
      await queue.add([entry(moved)]);
      const worker = await work(queue);
      await drained(queue);
      expect(worker.begun).toEqual([...others, moved]);
    });

    it('hands out nothing while it is paused, in any process, and everything in order afterwards', async () => {
      const [admin, queue] = [await open(), await open()];
      const worker = await work(queue);
      await admin.pause();
      expect([await admin.isPaused(), await queue.isPaused()]).toEqual([true, true]);
      const ids = newIds(4);
      await admin.add(ids.slice(0, 3).map(entry));
      await admin.add([entry(ids[0]), entry(ids[3])]);
      expect((await queue.counts()).waiting).toBe(4);
      expect(await admin.missing(ids)).toEqual([]);
      await pause(500);
      expect(worker.begun).toEqual([]);
      await admin.resume();
      await drained(queue);
      expect(worker.begun).toEqual(ids);
      expect(await queue.isPaused()).toBe(false);
    });

    it('hands out as many at a time as the last limit says, whatever it was before', async () => {
      const queue = await open();
      const releases: (() => void)[] = [];
      queue.consume(() => new Promise<void>((resolve) => releases.push(resolve)), 1);
      queue.limit(3);
      await queue.add(newIds(6).map(entry));
      await until('three are held', () => releases.length === 3);
      queue.limit(1);
      releases[0]();
      releases[1]();
      await pause(300);
      expect(releases.length).toBe(3);
      releases[2]();
      await until('one more is held', () => releases.length === 4);
      await pause(300);
      expect(releases.length).toBe(4);
      queue.limit(6);
      releases[3]();
      await until('all that are left are held', () => releases.length === 6);
      for (const release of releases.slice(4)) release();
      await drained(queue);
    });

    it('hands an entry that a handler puts back out again, also when that worker stops', async () => {
      const [one, other] = [await open(), await open()];
      const [id] = newIds(1);
      let held = false;
      let release: () => void = () => undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      one.consume(async () => {
        held = true;
        await released;
        return { againInMs: 0 };
      }, 1);
      await one.add([entry(id)]);
      await until('a worker holds it', () => held);
      const stopping = one.stopConsuming();
      const worker = await work(other);
      release();
      await stopping;
      await until('the other one has done it', () => worker.ended.length === 1);
      await drained(other);
      expect(worker.begun).toEqual([id]);
    });

    it('works on as many entries at a time as it was told, and no more', async () => {
      const queue = await open();
      const worker = await work(queue, { hold: true, concurrency: 3 });
      await queue.add(newIds(12).map(entry));
      await until('three are under way', () => worker.begun.length === 3);
      await until('the queue says so', async () => (await queue.counts()).active === 3);
      expect(await queue.counts()).toEqual({ waiting: 9, active: 3, delayed: 0 });
      worker.release();
      await drained(queue);
      expect(worker.begun).toHaveLength(12);
      expect(worker.mostAtOnce).toBe(3);
    });

    it('tries an entry again whose handler threw', async () => {
      const queue = await open();
      const [id] = newIds(1);
      let tries = 0;
      await queue.consume(async () => {
        if (++tries === 1) throw new Error('not this time');
      }, 1);
      await queue.add([entry(id)]);
      await until('it was tried again', () => tries === 2);
      await drained(queue);
      expect(tries).toBe(2);
    });

    it('drops an entry whose handler keeps throwing, so that it can be added again', async () => {
      const queue = await open();
      const [id] = newIds(1);
      let tries = 0;
      await queue.consume(async () => {
        tries++;
        throw new Error('never');
      }, 1);
      await queue.add([entry(id)]);
      await until('it waits for another try', async () => (await queue.counts()).delayed === 1);
      await drained(queue, 50_000);
      const triesBefore = tries;
      expect(triesBefore).toBeGreaterThan(1);
      await queue.add([entry(id)]);
      await until('it was tried once more', () => tries > triesBefore);
    });

    it('does not hand out an entry that was removed while it waited', async () => {
      const [submitter, queue] = [await open(), await open()];
      const [removed, kept] = newIds(2);
      await submitter.add([entry(removed), entry(kept)]);
      await submitter.remove(removed);
      expect(await submitter.counts()).toEqual({ waiting: 1, active: 0, delayed: 0 });
      const worker = await work(queue);
      await drained(queue);
      expect(worker.begun).toEqual([kept]);
    });

    it('leaves an entry that a worker holds to it, when it is removed', async () => {
      const [submitter, queue] = [await open(), await open()];
      const [held, next] = newIds(2);
      const worker = await work(queue, { hold: true });
      await submitter.add([entry(held), entry(next)]);
      await until('a worker holds it', () => worker.begun.length === 1);
      await submitter.remove(held);
      expect(await submitter.counts()).toEqual({ waiting: 1, active: 1, delayed: 0 });
      worker.release();
      await drained(queue);
      expect(worker.ended).toEqual([held, next]);
    });

    it('removes nothing where there is nothing', async () => {
      const queue = await open();
      await queue.remove(newId());
      await queue.remove(newId());
      expect(await queue.counts()).toEqual({ waiting: 0, active: 0, delayed: 0 });
    });

    it('waits for the handlers under way when it stops consuming, and takes no more', async () => {
      const [submitter, queue] = [await open(), await open()];
      const [underway, left] = newIds(2);
      const worker = await work(queue, { hold: true });
      await submitter.add([entry(underway), entry(left)]);
      await until('it is under way', () => worker.begun.length === 1);
      let stopped = false;
      const stopping = queue.stopConsuming().then(() => (stopped = true));
      await submitter.counts();
      expect(stopped).toBe(false);
      worker.release();
      await stopping;
      expect(worker.ended).toEqual([underway]);
      expect(await submitter.counts()).toEqual({ waiting: 1, active: 0, delayed: 0 });
    });

    it('need not have begun to consume in order to stop', async () => {
      const queue = await open();
      await queue.stopConsuming();
      await queue.add([entry(newId())]);
      expect((await queue.counts()).waiting).toBe(1);
    });

    it('keeps its entries and their order when every process ends', async () => {
      const first = await open();
      const [done, kept, last] = newIds(3);
      const before = await work(first);
      await first.add([entry(done)]);
      await until('one is done', () => before.ended.length === 1);
      await first.stopConsuming();
      await first.add([entry(kept), entry(last)]);
      await first.exit();

      const second = await open();
      const after = await work(second);
      await drained(second);
      expect(after.begun).toEqual([kept, last]);
    });
  });
}

export const entry = (taskId: string) => ({ taskId });

const newIds = (count: number): string[] => Array.from({ length: count }, newId);

const drained = (queue: TaskQueue, timeoutMs?: number): Promise<true> =>
  until(
    'the queue is empty',
    async () => {
      const { waiting, active, delayed } = await queue.counts();
      return waiting + active + delayed === 0;
    },
    timeoutMs,
  );

/** Consumes a queue and keeps a record; with `hold`, handlers end no sooner than `release` is called. */
export async function work(queue: TaskQueue, { hold = false, concurrency = 1 } = {}) {
  let release: () => void = () => undefined;
  const released = hold ? new Promise<void>((resolve) => (release = resolve)) : Promise.resolve();
  const worker = { begun: [] as string[], ended: [] as string[], mostAtOnce: 0, release: () => release() };
  await queue.consume(async (taskId) => {
    worker.begun.push(taskId);
    worker.mostAtOnce = Math.max(worker.mostAtOnce, worker.begun.length - worker.ended.length);
    await released;
    worker.ended.push(taskId);
  }, concurrency);
  return worker;
}
