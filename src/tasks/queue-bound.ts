import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { YoungAccounts } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import type { Environment, QueueConfig } from '../config/index.js';
import type { NewTask } from './new-task.js';
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
    private readonly young: YoungAccounts,
    config: ConfigService<Environment, true>,
  ) {
    this.config = config.get('queue', { infer: true });
  }

  /**
   * Runs `write` for tasks of one user if so many more may wait; those beyond the user's window come marked as held.
   * @throws AppError `overloaded` `QUEUE_FULL`, `exhausted` `QUOTA_EXCEEDED`, before anything is written
   */
  async submit<T>(tasks: NewTask[], write: (placed: NewTask[]) => Promise<T>): Promise<T> {
    const [{ userId }] = tasks;
    const most = await this.mostWaiting(userId);
    await this.count(() => !this.refusal(tasks.length, userId, most) && !this.place(tasks).some(({ held }) => held));
    // Nothing is awaited between the look and the taking: others look at the same moment.
    const refusal = this.refusal(tasks.length, userId, most);
    if (refusal) throw refusal;
    const placed = this.place(tasks);
    return this.track(loadOf(placed), () => write(placed));
  }

  /** Runs `write` if one more task of the user may wait. @throws as `submit` */
  async readmit<T>(userId: string, write: () => Promise<T>): Promise<T> {
    const most = await this.mostWaiting(userId);
    await this.count(() => !this.refusal(1, userId, most));
    const refusal = this.refusal(1, userId, most);
    if (refusal) throw refusal;
    const load = new Map([
      [ALL, 1],
      [waitingOf(userId), 1],
    ]);
    return this.track(load, write);
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

  /** Counts if the last count is old, or too old to do anything but let in. */
  private async count(letsIn: () => boolean): Promise<void> {
    if (this.age > FRESH_MS) {
      const counting = this.recount();
      if (this.age > STALE_MS) await counting;
      else counting.catch(() => undefined);
    }
    if (this.age > FRESH_FOR_REFUSAL_MS && !letsIn()) await this.recount();
  }

  /** Why so many more tasks of the user may not wait; null: they may. */
  private refusal(count: number, userId: string, mostWaiting: number): AppError | null {
    const { maxSize, maxWaitingPerUser } = this.config;
    if (this.load(waitingOf(userId)) + count > mostWaiting) {
      return quotaExceeded(mostWaiting, mostWaiting < maxWaitingPerUser);
    }
    return this.load(ALL) + count > maxSize ? queueFull(maxSize) : null;
  }

  private mostWaiting(userId: string): Promise<number> {
    return this.young.quotaOf(userId, this.config.maxWaitingPerUser);
  }

  private load(key: string): number {
    return (this.counted.get(key) ?? 0) + (this.since.get(key) ?? 0);
  }

  private get age(): number {
    return performance.now() - this.countedAt;
  }

  private recount(): Promise<void> {
    return (this.counting ??= this.read().finally(() => (this.counting = null)));
  }

  private async read(): Promise<void> {
    const before = this.letIn.length;
    // Some of these will be counted too: for a moment the bound is a little strict rather than a little loose.
    const underWay = [...this.underWay];
    const startedAt = performance.now();
    const users = await this.lookup.loadByUser();
    this.counted = new Map([[ALL, users.reduce((sum, { queued }) => sum + queued, 0)]]);
    for (const { user_id, queued, admitted, later, held } of users) {
      this.counted.set(user_id, admitted).set(laterOf(user_id), later).set(heldOf(user_id), held);
      this.counted.set(waitingOf(user_id), queued);
    }
    this.letIn = [...underWay, ...this.letIn.slice(before)];
    this.since = new Map();
    for (const load of this.letIn) addTo(this.since, load);
    this.countedAt = startedAt;
  }
}

const queueFull = (most: number): AppError =>
  new AppError(
    'overloaded',
    'QUEUE_FULL',
    `As many tasks wait as may (${most}): nothing was stored. Submit again after the time in Retry-After.`,
  );

const quotaExceeded = (most: number, isYoung: boolean): AppError =>
  new AppError(
    'exhausted',
    'QUOTA_EXCEEDED',
    `At most ${most} tasks of one ${isYoung ? 'new account' : 'user'} may wait: nothing was stored. Submit again when some of yours have ended.`,
    { retryAfter: 1 },
  );

/** Numbers of tasks: of all that wait, and of a user those that wait, those inside the window, those put off, those held. */
type Load = ReadonlyMap<string, number>;

const ALL = '';
const waitingOf = (userId: string): string => `${userId} waiting`;
const laterOf = (userId: string): string => `${userId} later`;
const heldOf = (userId: string): string => `${userId} held`;
const placeOf = ({ userId, runAt }: NewTask): string => (runAt ? laterOf(userId) : userId);

function loadOf(tasks: NewTask[]): Load {
  const load = new Map([[ALL, tasks.length]]);
  for (const { userId } of tasks) addTo(load, new Map([[waitingOf(userId), 1]]));
  for (const task of tasks) addTo(load, new Map([[task.held ? heldOf(task.userId) : placeOf(task), 1]]));
  return load;
}

function addTo(sum: Map<string, number>, load: Load): void {
  for (const [key, count] of load) sum.set(key, (sum.get(key) ?? 0) + count);
}
