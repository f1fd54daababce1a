import { Logger } from '@nestjs/common';
import type { Candidate } from '../agents/index.js';
import type { EventLog } from '../feed/index.js';
import type { UnfinishedTask } from '../tasks/index.js';

/** Lines are gathered for this long, so that a chatty agent makes tens of events, not thousands, ms. */
const GATHER_MS = 50;

/** An attempt's standard error on its way into the feed, as `task.log` events that carry several lines each. */
export class AttemptLog {
  private readonly logger = new Logger('AttemptLog');
  /** Of all lines so far. */
  bytes = 0;
  private lines: string[] = [];
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly events: EventLog,
    private readonly task: UnfinishedTask,
    private readonly agent: Candidate,
    private readonly attempt: number,
  ) {}

  add(line: string): void {
    this.lines.push(line);
    this.bytes += Buffer.byteLength(line);
    this.timer ??= setTimeout(() => this.flush(), GATHER_MS);
  }

  /** Resolves when every line is in the feed: before the attempt is settled. */
  async close(): Promise<void> {
    this.flush();
    await this.writing;
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.lines.length === 0) return;
    const { attempt, agent, lines } = this;
    const data = { attempt, agent_id: agent.agentId, lines, share_logs: this.task.shareLogs };
    this.lines = [];
    this.writing = Promise.all([this.writing, this.post(data)]).then(() => undefined);
  }

  /** A log line that cannot be written must not fail the task. */
  private async post(data: Record<string, unknown>): Promise<void> {
    await this.events
      .post({
        type: 'task.log',
        task_id: this.task.id,
        user_id: this.task.userId,
        agent_owner_id: this.agent.ownerId,
        data,
      })
      .catch((error: Error) => this.logger.warn(`log lines of ${this.task.id} are lost: ${error.message}`));
  }
}
