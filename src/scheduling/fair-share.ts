import { Inject, Injectable, Logger } from '@nestjs/common';
import { Recurring } from '../common/recurring.js';
import { QueueConfig } from '../config/index.js';
import { outageLog } from '../observability/index.js';
import { TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import { FairQueue } from './fair-queue.js';
import { isTerminal, LEASED } from '../tasks/index.js';
import { LineLength } from './line-length.js';
import { type ProgressRow, TurnReader, type WaitingRow } from './turn-reader.js';

/** Pause between two rounds: short while turns are given (twice what a round takes), then longer each time, ms. */
const SHORTEST_MS = 20;
const LONGEST_MS = 50;
/** Pause of a process that does not give the turns, ms. */
const STANDBY_MS = 1000;
/** How often the queue is asked whether it has lost entries of tasks that had their turn, ms. */
const CHECK_MS = 2000;

/**
 * Gives tasks their turns: it adds to the queue what workers should take next, and only that. All other tasks wait in
 * the table (`throttled`). One process at a time does it, the holder of a lock.
 *
 * Its memory is what users have consumed since tasks began to wait, and which tasks had their turn. Neither has to
 * outlive the process: the next holder begins with equal users, and an entry that is added again changes nothing.
 */
@Injectable()
export class FairShare {
  private readonly logger = new Logger('FairShare');
  private readonly recurring = new Recurring(
    () => this.round(),
    LONGEST_MS,
    outageLog(this.logger, 'tasks wait for their turn'),
  );
  private isHolder: () => Promise<boolean> = async () => false;
  private pauseMs = LONGEST_MS;
  private checkedAt = performance.now();

  private readonly fair = new FairQueue();
  private readonly line = new LineLength();
  /** Tasks that had their turn and are not awarded yet, oldest turn first. */
  private readonly called = new Map<string, Called>();
  /** Tasks with a worker. */
  private readonly working = new Map<string, Working>();

  constructor(
    private readonly reader: TurnReader,
    @Inject(TASK_QUEUE) private readonly queue: TaskQueue,
    private readonly config: QueueConfig,
  ) {}

  /** @param isHolder whether this process is the one that gives the turns; it becomes so when no other is */
  start(isHolder: () => Promise<boolean>): void {
    this.isHolder = isHolder;
    this.recurring.start();
  }

  stop(): Promise<void> {
    return this.recurring.stop();
  }

  /** @returns the pause before the next round, ms */
  private async round(): Promise<number> {
    if (!(await this.isHolder())) {
      this.called.clear();
      this.forgetConsumption();
      return STANDBY_MS;
    }
    const startedAt = performance.now();
    const waiting = await this.readWaiting();
    if (waiting.length === 0 && this.called.size === 0) {
      this.forgetConsumption();
      return this.longerPause();
    }
    const [progress, entries] = await Promise.all([
      this.reader.progress([...this.called.keys(), ...this.working.keys()]),
      this.queue.counts(),
    ]);
    this.account(progress, waiting);
    await this.recall(this.endedInLine(progress));
    await this.checkEntries();
    if (!(await this.giveTurns(waiting, entries.waiting))) return this.longerPause();
    this.pauseMs = Math.min(LONGEST_MS, Math.max(SHORTEST_MS, 2 * (performance.now() - startedAt)));
    return this.pauseMs;
  }

  private longerPause(): number {
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_MS);
    return this.pauseMs;
  }

  private async readWaiting(): Promise<Waiting[]> {
    const { ageStepMs } = this.config;
    const rows = await this.reader.waiting([...this.called.keys()], { ageStepMs, most: this.line.longest });
    return rows.map((row) => this.toWaiting(row));
  }

  /** Without turns all users count as one, so what is left is the order of one user's tasks. */
  private toWaiting(row: WaitingRow): Waiting {
    return { ...this.userOf(row), id: row.id, owner: row.user_id, below: row.below };
  }

  private userOf({ user_id, weight }: WaitingRow | ProgressRow): Pick<Waiting, 'user' | 'weight'> {
    return this.config.fairness ? { user: user_id, weight } : { user: 'all', weight: 1 };
  }

  /** Charges users for what their tasks have used since the last round. */
  private account(progress: ProgressRow[], waiting: Waiting[]): void {
    const known = new Set(progress.map(({ id }) => id));
    for (const tasks of [this.called, this.working])
      for (const id of tasks.keys()) if (!known.has(id)) tasks.delete(id);
    const isAtWork = ({ status }: ProgressRow): boolean => LEASED.some((leased) => leased === status);
    const active = [...waiting, ...this.called.values(), ...progress.filter(isAtWork).map((row) => this.userOf(row))];
    this.fair.setActive(new Map(active.map(({ user, weight }) => [user, weight])));
    for (const row of progress) {
      if (isAtWork(row)) this.chargeWorking(row);
      else if (row.status !== 'queued') this.chargeEnded(row);
      else this.working.delete(row.id); // Its worker returned it.
    }
  }

  private chargeWorking(row: ProgressRow): void {
    const { id, user_id, used_ms } = row;
    const { user } = this.userOf(row);
    // A task that no turn of this holder led to has used its time before: only what follows is charged.
    const charged = this.working.get(id)?.usedMs ?? (this.called.has(id) ? 0 : used_ms);
    this.fair.charge(user, used_ms - charged);
    this.working.set(id, { user, owner: user_id, usedMs: used_ms, isParked: row.parked });
    this.called.delete(id);
  }

  private chargeEnded(row: ProgressRow): void {
    const { id, used_ms } = row;
    this.fair.charge(this.userOf(row).user, used_ms - (this.working.get(id)?.usedMs ?? 0));
    this.fair.learn(used_ms);
    this.working.delete(id);
    if (used_ms > 0) this.called.delete(id);
  }

  /**
   * Tasks that had their turn and ended before a sandbox took them. One that was cancelled while its entry was being
   * added still has that entry.
   */
  private endedInLine(progress: ProgressRow[]): Called[] {
    const ended = progress.filter(({ status }) => isTerminal(status));
    return ended.flatMap(({ id }) => this.called.get(id) ?? []);
  }

  /** @param inLine entries that no worker has taken @returns whether the next round should follow soon */
  private async giveTurns(waiting: Waiting[], inLine: number): Promise<boolean> {
    const length = this.line.next(inLine);
    // What a worker returned (its agents are busy, say) comes back by itself: the line is what was called last.
    const line = inLine === 0 ? [] : [...this.called.values()].slice(-inLine);
    const candidates = this.candidates(waiting);
    const underWay = this.inSlots();
    if (inLine < length) {
      const ahead = line.map(({ user }) => ({ user, usedMs: 0 }));
      const next = this.fair.next(candidates, [...underWay, ...ahead], length - inLine);
      await this.call(next);
      this.line.leave(inLine + next.length);
      return next.length > 0;
    }
    if (this.pauseMs < LONGEST_MS) {
      // It stands still for a moment only: workers may be about to take the next ones.
      this.line.leave(inLine);
      return false;
    }
    const kept = Math.min(length, line.length);
    const next = new Set<Waiting>(this.fair.next(inOwnOrder([...candidates, ...line]), underWay, kept));
    const late = candidates.length > 0 ? line.filter((task) => !next.has(task)) : [];
    const early = candidates.filter((task) => next.has(task));
    await this.recall(late);
    await this.call(early);
    this.line.leave(inLine - late.length + early.length);
    return false;
  }

  private inSlots(): Working[] {
    return [...this.working.values()].filter(({ isParked }) => !isParked);
  }

  /** Tasks of users that have room, each user's in its order. */
  private candidates(waiting: Waiting[]): Waiting[] {
    const room = new Map<string, number>();
    const roomOf = (owner: string): number => room.get(owner) ?? this.config.userWindow;
    for (const { owner } of this.called.values()) room.set(owner, roomOf(owner) - 1);
    for (const { owner } of this.inSlots()) room.set(owner, roomOf(owner) - 1);
    return inOwnOrder(waiting).filter(({ owner }) => {
      room.set(owner, roomOf(owner) - 1);
      return roomOf(owner) >= 0;
    });
  }

  private async call(tasks: Waiting[]): Promise<void> {
    if (tasks.length === 0) return;
    await this.queue.add(tasks.map(({ id }) => ({ taskId: id })));
    const at = performance.now();
    for (const task of tasks) this.called.set(task.id, { ...task, at });
  }

  /** Takes turns back that other tasks should have first. A task that a worker takes at this moment keeps its turn. */
  private async recall(tasks: Waiting[]): Promise<void> {
    await Promise.all(tasks.map(({ id }) => this.queue.remove(id)));
    for (const { id } of tasks) this.called.delete(id);
  }

  /** Forgets the turns of tasks whose entries the queue has lost, so that they wait again. */
  private async checkEntries(): Promise<void> {
    const now = performance.now();
    if (now - this.checkedAt < CHECK_MS) return;
    const old = [...this.called.values()].filter(({ at }) => now - at > CHECK_MS).map(({ id }) => id);
    for (const id of await this.queue.missing(old)) this.called.delete(id);
    this.checkedAt = now;
  }

  /** No task waits, so what users consumed until now delayed no other user. */
  private forgetConsumption(): void {
    this.working.clear();
    this.fair.reset();
  }
}

interface Waiting {
  id: string;
  /** Who takes turns. */
  user: string;
  /** Of the user who takes turns. */
  weight: number;
  /** Its submitter. */
  owner: string;
  below: number;
}

interface Working {
  user: string;
  owner: string;
  /** Slot time that was charged, ms. */
  usedMs: number;
  /** It takes no slot. */
  isParked: boolean;
}

interface Called extends Waiting {
  /** When it had its turn, on the clock of `performance.now()`. */
  at: number;
}

const inOwnOrder = (tasks: Waiting[]): Waiting[] =>
  tasks.toSorted((one, other) => one.below - other.below || (one.id < other.id ? -1 : 1));
