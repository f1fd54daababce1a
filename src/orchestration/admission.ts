import { Injectable, Logger } from '@nestjs/common';
import { outageLog } from '../observability/index.js';
import { TaskService, WaitingLine } from '../tasks/index.js';

/** Pause between two looks: short after one that let tasks in, longer each time while none does, ms. */
const SHORTEST_MS = 100;
const LONGEST_MS = 1000;

/** Lets tasks into the queue that were held for their submitter's earlier ones, as those end. */
@Injectable()
export class Admission {
  private readonly warnOfOutage = outageLog(new Logger('Admission'), 'held tasks wait');
  private clock: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly line: WaitingLine,
    private readonly tasks: TaskService,
  ) {}

  start(pauseMs = LONGEST_MS): void {
    if (this.stopped) return;
    this.clock = setTimeout(() => {
      this.looking = this.look(pauseMs);
    }, pauseMs);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.clock);
    await this.looking;
  }

  private async look(pauseMs: number): Promise<void> {
    let admitted = 0;
    try {
      const entries = await this.line.admit();
      admitted = entries.length;
      this.tasks.requeue(entries);
    } catch (error) {
      this.warnOfOutage(error as Error);
    }
    this.start(admitted > 0 ? SHORTEST_MS : Math.min(pauseMs * 2, LONGEST_MS));
  }
}
