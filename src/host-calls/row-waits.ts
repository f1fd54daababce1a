import type { Logger } from '@nestjs/common';
import { MAX_TIMER_MS } from '../common/timers.js';
import { outageLog } from '../observability/index.js';

/** How often the table is read for what a lost signal did not announce, ms. */
const LOOK_MS = 2_000;

/** Lets calls wait for values that rows get. A signal only makes it quick: `read` decides. */
export class RowWaits<Value> {
  private readonly waiting = new Map<string, (value: Value) => void>();
  private readonly clock = setInterval(() => this.look(), LOOK_MS);
  private readonly warnOfOutage: (error: Error) => void;

  /**
   * @param read gives the values of those rows that have one, by id
   * @param consequence of an outage, for the log
   */
  constructor(
    private readonly read: (ids: readonly string[]) => Promise<ReadonlyMap<string, Value>>,
    logger: Logger,
    consequence: string,
  ) {
    this.warnOfOutage = outageLog(logger, consequence);
  }

  /** Whether no call waits. */
  get isIdle(): boolean {
    return this.waiting.size === 0;
  }

  /** @returns undefined when the time is over @throws the signal's reason when it aborts */
  async wait(id: string, ms: number, signal: AbortSignal): Promise<Value | undefined> {
    signal.throwIfAborted();
    let expiry: NodeJS.Timeout | undefined;
    let stop = (): void => undefined;
    const found = new Promise<Value | undefined>((resolve, reject) => {
      this.waiting.set(id, resolve);
      expiry = setTimeout(() => resolve(undefined), Math.min(ms, MAX_TIMER_MS));
      stop = () => reject(signal.reason as Error);
      signal.addEventListener('abort', stop, { once: true });
    });
    // The row may have got its value since the caller read it.
    this.look([id]);
    try {
      return await found;
    } finally {
      clearTimeout(expiry);
      signal.removeEventListener('abort', stop);
      this.waiting.delete(id);
    }
  }

  /** Reads the rows that calls wait for. */
  look(ids: readonly string[] = [...this.waiting.keys()]): void {
    if (ids.length === 0) return;
    this.read(ids)
      .then((values) => values.forEach((value, id) => this.waiting.get(id)?.(value)))
      .catch(this.warnOfOutage);
  }

  stop(): void {
    clearInterval(this.clock);
  }
}
