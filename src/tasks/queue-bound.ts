import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { AppError } from '../common/app-error.js';
import type { Environment } from '../config/index.js';
import { TaskLookup } from './task-lookup.js';

/** An older count is renewed beside the submissions, ms. */
const FRESH_MS = 500;
/** A submission waits for the renewal of one that is older still. */
const STALE_MS = 5_000;
/** A refusal rests on a count no older than this. */
const FRESH_FOR_REFUSAL_MS = 100;

/**
 * Keeps the queue bounded: how many tasks wait, counted in PostgreSQL a few times a second at most, plus what this process
 * has let in since. So a submission costs no count. One process never lets in too many; several may together exceed the
 * bound by what the others let in between two counts.
 */
@Injectable()
export class QueueBound {
  private readonly maxSize: number;
  private counted = 0;
  /** Let in since the count, or under way when it was made. */
  private since = 0;
  /** Let in, not known to be written. */
  private underWay = 0;
  private countedAt = -Infinity;
  private counting: Promise<void> | null = null;

  constructor(
    private readonly lookup: TaskLookup,
    config: ConfigService<Environment, true>,
  ) {
    this.maxSize = config.get('queue', { infer: true }).maxSize;
  }

  /**
   * Runs `write` if `count` more tasks may wait.
   * @throws AppError `overloaded` `QUEUE_FULL`, before anything is written
   */
  async within<T>(count: number, write: () => Promise<T>): Promise<T> {
    if (!(await this.hasRoomFor(count))) throw this.full();
    this.since += count;
    this.underWay += count;
    try {
      return await write();
    } finally {
      this.underWay -= count;
    }
  }

  private async hasRoomFor(count: number): Promise<boolean> {
    if (this.age > FRESH_MS) {
      const counting = this.recount();
      if (this.age > STALE_MS) await counting;
      else counting.catch(() => undefined);
    }
    if (this.fits(count)) return true;
    if (this.age > FRESH_FOR_REFUSAL_MS) await this.recount();
    return this.fits(count);
  }

  private fits(count: number): boolean {
    return this.counted + this.since + count <= this.maxSize;
  }

  private get age(): number {
    return performance.now() - this.countedAt;
  }

  private recount(): Promise<void> {
    return (this.counting ??= this.count().finally(() => (this.counting = null)));
  }

  private async count(): Promise<void> {
    const before = this.since;
    // Some of these will be counted too: for a moment the bound is a little strict rather than a little loose.
    const { underWay } = this;
    const startedAt = performance.now();
    this.counted = await this.lookup.countQueued(this.maxSize + 1);
    this.since += underWay - before;
    this.countedAt = startedAt;
  }

  private full(): AppError {
    return new AppError(
      'overloaded',
      'QUEUE_FULL',
      `As many tasks wait as may (${this.maxSize}): nothing was stored. Submit again after the time in Retry-After.`,
    );
  }
}
