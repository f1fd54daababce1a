import { Injectable } from '@nestjs/common';
import { partOf, YoungAccounts } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { QueueConfig } from '../config/index.js';
import { type NewTask, TaskBacklog, type UserLoad } from '../tasks/index.js';
import { type LineRefusal, refusalOf } from './queue-share.js';

/** An older count is renewed beside the submissions, ms. */
const FRESH_MS = 500;
/** A submission waits for the renewal of one that is older still. */
const STALE_MS = 5_000;
/** A refusal rests on a count no older than this. */
const FRESH_FOR_REFUSAL_MS = 100;
/**
 * The decision that a task waits for its turn rests on a count no older than this, or than so many times what the count
 * took.
 */
const FRESH_FOR_TURN_MS = 25;
const COUNTS_TO_PAUSE = 20;

/**
 * Keeps both lines of waiting tasks bounded, and each user's share of them (see `refusalOf`). Decides which tasks go
 * straight into the queue: as many as one worker takes at once, while no task waits for its turn. The others wait for
 * it (see `FairShare`).
 *
 * Tasks are counted in PostgreSQL now and then; what this process has let in since is added. So most submissions cost
 * no count. One process never lets in too many; several may together exceed a bound by what the others let in between
 * two counts.
 */
@Injectable()
export class AdmissionControl {
  private counted = new Map<string, number>();
  /** Let in since the count, or under way when it was made. */
  private since = new Map<string, number>();
  private letIn: Load[] = [];
  /** Let in, not known to be written, with their ids. */
  private readonly underWay = new Map<Load, string[]>();
  private countedAt = -Infinity;
  private countTookMs = 0;
  private counting: Promise<void> | null = null;

  constructor(
    private readonly backlog: TaskBacklog,
    private readonly young: YoungAccounts,
    private readonly config: QueueConfig,
  ) {}

  /**
   * Runs `write` for tasks of one user if so many more may wait. Tasks that have to wait for their turn come marked as
   * throttled.
   * @throws AppError `overloaded` `QUEUE_FULL`, `exhausted` `QUOTA_EXCEEDED` or `QUEUE_SHARE_EXCEEDED`, before anything
   *   is written
   */
  async submit<T>(tasks: NewTask[], write: (marked: NewTask[]) => Promise<T>): Promise<T> {
    const part = await this.young.shareOf(tasks[0].userId);
    await this.count(() => {
      if (this.refusal(tasks, part)) return 'refused';
      return this.mark(tasks).some(({ throttled, runAt }) => throttled && !runAt) ? 'throttled' : 'let_in';
    });
    // Nothing is awaited between the look and the taking: others look at the same moment.
    const refusal = this.refusal(tasks, part);
    if (refusal) throw refusal;
    const marked = this.mark(tasks);
    return this.track(marked, loadOf(marked), () => write(marked));
  }

  private async track<T>(tasks: readonly Waiter[], load: Load, write: () => Promise<T>): Promise<T> {
    this.letIn.push(load);
    addTo(this.since, load);
    this.underWay.set(
      load,
      tasks.map(({ id }) => id),
    );
    try {
      return await write();
    } finally {
      this.underWay.delete(load);
    }
  }

  private mark(tasks: NewTask[]): NewTask[] {
    const { workerLeast, userWindow } = this.config;
    // A user that may have few at a time gets turns only: they count exactly.
    const isBusy = this.load(THROTTLED) > 0 || userWindow <= workerLeast;
    let straight = isBusy ? 0 : workerLeast - this.load(ADMITTED);
    // A later start is no way around the others: a turn follows when the time has come.
    return tasks.map((task) => ({ ...task, throttled: task.runAt !== null || straight-- <= 0 }));
  }

  /** Counts if the last count is old, or too old for what it would lead to. */
  private async count(outcome: () => 'let_in' | 'throttled' | 'refused'): Promise<void> {
    if (this.age > FRESH_MS) {
      const counting = this.recount();
      if (this.age > STALE_MS) await counting;
      else counting.catch(() => undefined);
    }
    const freshMs = {
      let_in: Infinity,
      throttled: Math.max(FRESH_FOR_TURN_MS, COUNTS_TO_PAUSE * this.countTookMs),
      refused: FRESH_FOR_REFUSAL_MS,
    };
    if (this.age > FRESH_FOR_TURN_MS && this.age > freshMs[outcome()]) await this.recount();
  }

  /**
   * Why these tasks, all of one user, may not wait; null: they may.
   * @param part of its quota that the account has, up to 1
   */
  private refusal(tasks: readonly Waiter[], part: number): AppError | null {
    for (const line of LINES) {
      const count = tasks.filter((task) => lineOf(task) === line).length;
      if (count === 0) continue;
      const { places, perAccount } = this.config[line];
      const load = { all: this.load(line), own: this.load(lineOfUser(line, tasks[0].userId)) };
      const limits = { places, perAccount: partOf(perAccount, part) };
      const refusal = refusalOf(limits, load, count);
      if (refusal) return toError(line, refusal, { own: load.own, count, places, isYoung: part < 1 });
    }
    return null;
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
    // Left out of the count and added to it: their rows may or may not be there.
    const underWay = [...this.underWay.keys()];
    const startedAt = performance.now();
    const users = await this.backlog.loadByUser([...this.underWay.values()].flat());
    const sum = (count: (user: UserLoad) => number) => users.reduce((total, user) => total + count(user), 0);
    this.counted = new Map<string, number>([
      ['waiting', sum(({ waiting }) => waiting)],
      ['delayed', sum(({ delayed }) => delayed)],
      [ADMITTED, sum(({ admitted }) => admitted)],
      [THROTTLED, sum(({ throttled }) => throttled)],
    ]);
    for (const { user_id, waiting, delayed } of users) {
      this.counted.set(lineOfUser('waiting', user_id), waiting).set(lineOfUser('delayed', user_id), delayed);
    }
    this.letIn = [...underWay, ...this.letIn.slice(before)];
    this.since = new Map();
    for (const load of this.letIn) addTo(this.since, load);
    this.countedAt = startedAt;
    this.countTookMs = performance.now() - startedAt;
  }
}

const LINES = ['waiting', 'delayed'] as const;
type LineName = (typeof LINES)[number];

/** What decides in which line a task waits. */
type Waiter = Pick<NewTask, 'id' | 'userId' | 'runAt'>;

const lineOf = ({ runAt }: Waiter): LineName => (runAt ? 'delayed' : 'waiting');
const lineOfUser = (line: LineName, userId: string): string => `${userId} ${line}`;

/** What a message calls the tasks of a line, and after how many seconds a refused account, or anyone, should retry. */
const WORDS = {
  waiting: { tasks: 'waiting tasks', ofAccount: 1, ofAll: 5 },
  delayed: { tasks: 'waiting tasks with a later start', ofAccount: 60, ofAll: 60 },
};

interface Refused {
  /** Tasks that the account has in the line. */
  own: number;
  /** Tasks that it asked to add. */
  count: number;
  /** Tasks that the line takes of all accounts. */
  places: number;
  isYoung: boolean;
}

function toError(line: LineName, { limit, most }: LineRefusal, { own, count, places, isYoung }: Refused): AppError {
  const { tasks, ofAccount, ofAll } = WORDS[line];
  if (limit === 'line') {
    const detail = `Queue full (limit ${most} ${tasks}). Nothing was stored. Retry after ${ofAll} s.`;
    return new AppError('overloaded', 'QUEUE_FULL', detail, { retryAfter: ofAll });
  }
  const isShare = limit === 'share';
  const why = isShare
    ? `its fair share of the ${places} places is ${most} now`
    : `limit ${most}${isYoung ? ' for a new account' : ''}`;
  const what = `This account has ${own} ${tasks}; ${count} more are too many (${why}).`;
  const next = 'Nothing was stored. Retry when some of its tasks have started, or cancel some.';
  const code = isShare ? 'QUEUE_SHARE_EXCEEDED' : 'QUOTA_EXCEEDED';
  return new AppError('exhausted', code, `${what} ${next}`, { retryAfter: ofAccount });
}

/** Numbers of tasks: of each line, of all users and of one; in the queue or with a worker; waiting for their turn. */
type Load = ReadonlyMap<string, number>;

const ADMITTED = 'admitted';
const THROTTLED = 'throttled';

function linesOf(tasks: readonly Waiter[]): Map<string, number> {
  const load = new Map<string, number>();
  for (const task of tasks) {
    const line = lineOf(task);
    addTo(load, new Map([[line as string, 1]]).set(lineOfUser(line, task.userId), 1));
  }
  return load;
}

function loadOf(tasks: NewTask[]): Load {
  const load = linesOf(tasks);
  for (const { throttled, runAt } of tasks) {
    if (!throttled) addTo(load, new Map([[ADMITTED, 1]]));
    else if (!runAt) addTo(load, new Map([[THROTTLED, 1]]));
  }
  return load;
}

function addTo(sum: Map<string, number>, load: Load): void {
  for (const [key, count] of load) sum.set(key, (sum.get(key) ?? 0) + count);
}
