import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AppError } from '../common/app-error.js';
import type { Environment, QueueConfig } from '../config/index.js';
import type { NewTask } from './task-store.js';
import { TaskLookup } from './task-lookup.js';

/** An older count is renewed beside the submissions, ms. */
const FRESH_MS = 500;
/** A submission waits for the renewal of one that is older still. */
const STALE_MS = 5_000;
/** A refusal, and holding a task back, rest on a count no older than this. */
const FRESH_FOR_REFUSAL_MS = 100;

/**
 * Keeps the queue bounded, and each user's part of it: how many tasks wait, counted in PostgreSQL a few times a second at
 * most, plus what this process has let in since. So a submission costs no count. One process never lets in too many;
 * several may together exceed a bound by what the others let in between two counts.
 */
@Injectable()
export class QueueBound {
  private readonly config: QueueConfig;
  private counted = new Map<string, number>();
  /** Let in since the count, or under way when it was made. */
  private since = new Map<string, number>();
  private letIn: Load[] = [];
  /** Let in, not known to be written. */
  private readonly underWay = new Set<Load>();
  private countedAt = -Infinity;
  private counting: Promise<void> | null = null;

  constructor(
    private readonly lookup: TaskLookup,
    config: ConfigService<Environment, true>,
  ) {
    this.config = config.get('queue', { infer: true });
  }

  /**
   * Runs `write` for tasks of one user if so many more may wait; those beyond the user's window come marked as held.
   * @throws AppError `overloaded` `QUEUE_FULL`, before anything is written
   */
  async submit<T>(tasks: NewTask[], write: (placed: NewTask[]) => Promise<T>): Promise<T> {
    await this.expectRoomFor(tasks.length);
    let placed = this.place(tasks);
    if (placed.some(({ held }) => held) && this.age > FRESH_FOR_REFUSAL_MS) {
      await this.recount();
      await this.expectRoomFor(tasks.length);
      placed = this.place(tasks);
    }
    return this.track(loadOf(placed), () => write(placed));
  }

  /** Runs `write` if one more task may wait. @throws as `submit` */
  async readmit<T>(write: () => Promise<T>): Promise<T> {
    await this.expectRoomFor(1);
    return this.track(new Map([[ALL, 1]]), write);
  }

  private async track<T>(load: Load, write: () => Promise<T>): Promise<T> {
    this.letIn.push(load);
    addTo(this.since, load);
    this.underWay.add(load);
    try {
      return await write();
    } finally {
      this.underWay.delete(load);
    }
  }

  private place(tasks: NewTask[]): NewTask[] {
    const { userWindow } = this.config;
    const taken = new Map<string, number>();
    const load = (key: string): number => this.load(key) + (taken.get(key) ?? 0);
    return tasks.map((task) => {
      const key = placeOf(task);
      // Who comes after one that is held waits behind it.
      const overtakes = !task.runAt && load(heldOf(task.userId)) > 0;
      const held = overtakes || load(key) >= userWindow;
      addTo(taken, new Map([[held ? heldOf(task.userId) : key, 1]]));
      return { ...task, held };
    });
  }

  /** @throws AppError `QUEUE_FULL` */
  private async expectRoomFor(count: number): Promise<void> {
    if (this.age > FRESH_MS) {
      const counting = this.recount();
      if (this.age > STALE_MS) await counting;
      else counting.catch(() => undefined);
    }
    if (this.fits(count)) return;
    if (this.age > FRESH_FOR_REFUSAL_MS) await this.recount();
    if (!this.fits(count)) throw this.full();
  }

  private fits(count: number): boolean {
    return this.load(ALL) + count <= this.config.maxSize;
  }

  private load(key: string): number {
    return (this.counted.get(key) ?? 0) + (this.since.get(key) ?? 0);
  }

  private get age(): number {
    return performance.now() - this.countedAt;
  }

  private recount(): Promise<void> {
    return (this.counting ??= this.count().finally(() => (this.counting = null)));
  }

  private async count(): Promise<void> {
    const before = this.letIn.length;
    // Some of these will be counted too: for a moment the bound is a little strict rather than a little loose.
    const underWay = [...this.underWay];
    const startedAt = performance.now();
    const users = await this.lookup.loadByUser();
    this.counted = new Map([[ALL, users.reduce((sum, { queued }) => sum + queued, 0)]]);
    for (const { user_id, admitted, later, held } of users) {
      this.counted.set(user_id, admitted).set(laterOf(user_id), later).set(heldOf(user_id), held);
    }
    this.letIn = [...underWay, ...this.letIn.slice(before)];
    this.since = new Map();
    for (const load of this.letIn) addTo(this.since, load);
    this.countedAt = startedAt;
  }

  private full(): AppError {
    return new AppError(
      'overloaded',
      'QUEUE_FULL',
      `As many tasks wait as may (${this.config.maxSize}): nothing was stored. Submit again after the time in Retry-After.`,
    );
  }
}

/** Numbers of tasks: of all, of a user inside the window, of a user's that are put off, of a user's that are held. */
type Load = ReadonlyMap<string, number>;

const ALL = '';
const laterOf = (userId: string): string => `${userId} later`;
const heldOf = (userId: string): string => `${userId} held`;
const placeOf = ({ userId, runAt }: NewTask): string => (runAt ? laterOf(userId) : userId);

function loadOf(tasks: NewTask[]): Load {
  const load = new Map([[ALL, tasks.length]]);
  for (const task of tasks) addTo(load, new Map([[task.held ? heldOf(task.userId) : placeOf(task), 1]]));
  return load;
}

function addTo(sum: Map<string, number>, load: Load): void {
  for (const [key, count] of load) sum.set(key, (sum.get(key) ?? 0) + count);
}
