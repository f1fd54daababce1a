import { Injectable, Logger } from '@nestjs/common';
import { Recurring } from '../common/recurring.js';
import { outageLog } from '../observability/index.js';
import { TaskEntries, WaitingLine } from '../tasks/index.js';

/** Pause between two looks: short after one that let tasks in, longer each time while none does, ms. */
const SHORTEST_MS = 100;
const LONGEST_MS = 1000;

/** Lets tasks into the queue that were held for their submitter's earlier ones, as those end. */
@Injectable()
export class Admission {
  private readonly recurring = new Recurring(
    () => this.look(),
    LONGEST_MS,
    outageLog(new Logger('Admission'), 'held tasks wait'),
  );
  private pauseMs = LONGEST_MS;

  constructor(
    private readonly line: WaitingLine,
    private readonly entries: TaskEntries,
  ) {}

  start(): void {
    this.recurring.start();
  }

  stop(): Promise<void> {
    return this.recurring.stop();
  }

  private async look(): Promise<number> {
    const admitted = await this.line.admit();
    for (const entry of admitted) this.entries.add(entry);
    this.pauseMs = admitted.length > 0 ? SHORTEST_MS : Math.min(this.pauseMs * 2, LONGEST_MS);
    return this.pauseMs;
  }
}
