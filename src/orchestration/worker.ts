import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment, QueueConfig } from '../config/index.js';
import { TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import { Sweeper } from './sweeper.js';
import { TaskProcessor } from './task.processor.js';

/** The worker role: takes tasks from the queue while the process lives, and finishes those it holds before it stops. */
@Injectable()
export class Worker implements OnApplicationBootstrap {
  private readonly config: QueueConfig;

  constructor(
    private readonly processor: TaskProcessor,
    private readonly sweeper: Sweeper,
    @Inject(TASK_QUEUE) private readonly queue: TaskQueue,
    config: ConfigService<Environment, true>,
  ) {
    this.config = config.get('queue', { infer: true });
  }

  onApplicationBootstrap(): void {
    this.queue.consume((taskId) => this.processor.process(taskId), this.config.workerConcurrency);
    this.sweeper.start(this.config.sweepIntervalMs);
  }

  /** Takes no more tasks and finishes those it holds. To be called before the application is closed. */
  async drain(): Promise<void> {
    await this.sweeper.stop();
    await this.queue.stopConsuming();
  }
}
