import { Injectable } from '@nestjs/common';
import { QueueConfig } from '../config/index.js';

/** Waits for a sandbox below and above which a worker takes more, or fewer, tasks at a time, ms. */
const SHORT_MS = 20;
const LONG_MS = 200;
/** A task that has waited this long for a sandbox shows that the worker took too many, ms. */
const TOO_LONG_MS = 2000;

/**
 * How many tasks this worker takes at a time, by how long they wait for a sandbox: one more for each short wait, a
 * quarter fewer for each long one (additive increase, multiplicative decrease, as in TCP).
 *
 * Tasks that run for a millisecond spend most of their time in writes, and many tasks share one write. Tasks that run
 * for seconds would keep other users waiting behind them. So when short tasks give way to long ones, the worker
 * returns the tasks that it can not start soon: other users may have their turn first.
 */
@Injectable()
export class Intake {
  private readonly least: number;
  private readonly most: number;
  private current: number;
  /** Tasks in this worker's hands that have a sandbox or wait for one. */
  private taken = 0;
  /** Tasks whose agents wait for an answer without a sandbox. The worker takes as many others meanwhile. */
  private parked = 0;
  /** Tasks without a sandbox, oldest first. */
  private readonly waiting = new Set<Waiting>();
  private announce: (limit: number) => void = () => undefined;

  constructor({ workerConcurrency, workerLeast }: QueueConfig) {
    this.most = workerConcurrency;
    this.least = workerLeast;
    this.current = this.least;
  }

  get limit(): number {
    return this.current + this.parked;
  }

  onChange(listener: (limit: number) => void): void {
    this.announce = listener;
  }

  /**
   * A task begins to wait for a sandbox.
   * @param giveUp called at most once, while the task waits: it is to be returned
   */
  enter(giveUp: () => void): Place {
    const since = performance.now();
    const task = { giveUp };
    const tooLong = setTimeout(() => this.returnExcess(), TOO_LONG_MS);
    this.taken++;
    this.waiting.add(task);
    let isParked = false;
    const setParked = (parked: boolean): void => {
      if (parked === isParked) return;
      isParked = parked;
      this.taken += parked ? -1 : 1;
      this.parked += parked ? 1 : -1;
      this.announce(this.limit);
    };
    const stopWaiting = (): void => {
      clearTimeout(tooLong);
      this.waiting.delete(task);
    };
    return {
      start: () => {
        stopWaiting();
        this.adjust(performance.now() - since);
      },
      setParked,
      leave: () => {
        stopWaiting();
        setParked(false);
        this.taken--;
      },
    };
  }

  private adjust(waitedMs: number): void {
    if (waitedMs < SHORT_MS) this.set(this.current + 1);
    else if (waitedMs > LONG_MS) this.set(Math.floor(this.current * 0.75));
  }

  /** The tasks that came last are returned. */
  private returnExcess(): void {
    this.set(this.least);
    const newestFirst = [...this.waiting].reverse();
    for (const task of newestFirst.slice(0, Math.max(0, this.taken - this.least))) {
      this.waiting.delete(task);
      task.giveUp();
    }
  }

  private set(limit: number): void {
    const next = Math.min(this.most, Math.max(this.least, limit));
    if (next === this.current) return;
    this.current = next;
    this.announce(this.limit);
  }
}

/** A task's place among those that the worker took. */
export interface Place {
  /** The task has its sandbox. */
  start(): void;
  /** The task gives its sandbox's slot to others, or has it again. */
  setParked(parked: boolean): void;
  /** The task's attempt is over, with or without a sandbox. */
  leave(): void;
}

interface Waiting {
  giveUp(): void;
}
