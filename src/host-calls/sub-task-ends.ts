import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { MAX_TIMER_MS } from '../common/timers.js';
import { EVENT_STREAM, type EventStream } from '../feed/index.js';
import { outageLog } from '../observability/index.js';
import { SubTasks } from '../tasks/index.js';

/** The shortest pause between two looks, and the longest, ms. */
const SHORTEST_MS = 50;
const LONGEST_MS = 2_000;

/** Waits for ends of sub-tasks. The feed makes it quick; the table decides. */
@Injectable()
export class SubTaskEnds implements OnApplicationShutdown {
  private readonly warnOfOutage = outageLog(new Logger('SubTasks'), 'agents may wait longer for their sub-tasks');
  private readonly waiting = new Map<string, () => void>();
  private readonly clock = setInterval(() => this.look(), LONGEST_MS);
  private readonly unsubscribe: () => void;
  private soon?: NodeJS.Timeout;

  constructor(
    private readonly subTasks: SubTasks,
    @Inject(EVENT_STREAM) stream: EventStream,
  ) {
    this.unsubscribe = stream.subscribe(() => {
      if (this.waiting.size > 0) this.soon ??= setTimeout(() => this.look(), SHORTEST_MS);
    });
  }

  /** Resolves when the task has ended, or the time is over. @throws the signal's reason when it aborts */
  async wait(id: string, ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    let timer: NodeJS.Timeout | undefined;
    let stop = (): void => undefined;
    const ended = new Promise<void>((resolve, reject) => {
      this.waiting.set(id, resolve);
      timer = setTimeout(resolve, Math.min(ms, MAX_TIMER_MS));
      stop = () => reject(signal.reason as Error);
      signal.addEventListener('abort', stop, { once: true });
    });
    // It may have ended since it was read.
    this.look();
    try {
      await ended;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      this.waiting.delete(id);
    }
  }

  onApplicationShutdown(): void {
    clearInterval(this.clock);
    clearTimeout(this.soon);
    this.unsubscribe();
  }

  private look(): void {
    clearTimeout(this.soon);
    this.soon = undefined;
    if (this.waiting.size === 0) return;
    this.subTasks
      .ended([...this.waiting.keys()])
      .then((ids) => ids.forEach((id) => this.waiting.get(id)?.()))
      .catch(this.warnOfOutage);
  }
}
