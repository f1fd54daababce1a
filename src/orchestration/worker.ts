import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { QueueConfig } from '../config/index.js';
import { Presence, SingleHolder } from '../database/index.js';
import { LedgerCheck } from '../ledger/index.js';
import { TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import { FairShare, Sweeper } from '../scheduling/index.js';
import { Intake } from './intake.js';
import { Retention } from './retention.js';
import { TaskProcessor } from './task.processor.js';

/** The worker role: takes tasks from the queue while the process lives. Before it stops, it finishes or releases them. */
@Injectable()
export class Worker implements OnApplicationBootstrap {
  constructor(
    private readonly processor: TaskProcessor,
    private readonly presence: Presence,
    private readonly sweeper: Sweeper,
    private readonly fairShare: FairShare,
    private readonly turns: SingleHolder,
    private readonly retention: Retention,
    private readonly ledgerCheck: LedgerCheck,
    private readonly intake: Intake,
    @Inject(TASK_QUEUE) private readonly queue: TaskQueue,
    private readonly config: QueueConfig,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await Promise.all([this.presence.enter(), this.turns.open()]);
    this.queue.consume((taskId) => this.processor.process(taskId), this.intake.limit);
    this.intake.onChange((limit) => this.queue.limit(limit));
    this.fairShare.start(() => this.turns.isHolder());
    this.retention.start();
    this.ledgerCheck.start();
    this.sweeper.start();
  }

  /**
   * Takes no more tasks and finishes those under way, but for those that wait for answers, which are released. After `SHUTDOWN_GRACE_MS` the rest is killed and released.
   * Call this before the application is closed.
   */
  async drain(): Promise<void> {
    const grace = setTimeout(() => this.processor.stop(), this.config.shutdownGraceMs);
    this.processor.releaseParked();
    const clocks = [this.sweeper, this.fairShare, this.retention, this.ledgerCheck];
    await Promise.all([...clocks.map((clock) => clock.stop()), this.queue.stopConsuming()]);
    clearTimeout(grace);
    await Promise.all([this.presence.leave(), this.turns.close()]);
  }
}
