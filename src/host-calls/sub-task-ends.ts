import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { EVENT_STREAM, type EventStream } from '../feed/index.js';
import { SubTasks } from '../tasks/index.js';
import { RowWaits } from './row-waits.js';

/** The feed of the whole market grows all the time: at most one look in so many milliseconds. */
const PAUSE_MS = 50;

/** Waits for ends of sub-tasks. The feed makes it quick; the table decides. */
@Injectable()
export class SubTaskEnds implements OnApplicationShutdown {
  private readonly waits: RowWaits<true>;
  private readonly unsubscribe: () => void;
  private soon?: NodeJS.Timeout;

  constructor(subTasks: SubTasks, @Inject(EVENT_STREAM) stream: EventStream) {
    const read = async (ids: readonly string[]): Promise<ReadonlyMap<string, true>> =>
      new Map((await subTasks.ended(ids)).map((id) => [id, true]));
    this.waits = new RowWaits(read, new Logger('SubTasks'), 'agents may wait longer for their sub-tasks');
    this.unsubscribe = stream.subscribe(() => {
      if (!this.waits.isIdle) this.soon ??= setTimeout(() => this.look(), PAUSE_MS);
    });
  }

  /** Resolves when the task has ended, or the time is over. @throws the signal's reason when it aborts */
  async wait(id: string, ms: number, signal: AbortSignal): Promise<void> {
    await this.waits.wait(id, ms, signal);
  }

  onApplicationShutdown(): void {
    this.waits.stop();
    clearTimeout(this.soon);
    this.unsubscribe();
  }

  private look(): void {
    this.soon = undefined;
    this.waits.look();
  }
}
