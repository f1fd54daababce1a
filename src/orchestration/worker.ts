import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { within } from '../common/work-context.js';
import type { Environment, QueueConfig } from '../config/index.js';
import { Presence } from '../database/index.js';
import { enterTrace, markFailed, recordStep, SpanKind, tellRoutine } from '../observability/index.js';
import { type Handled, TASK_QUEUE, type TaskQueue } from '../queue/index.js';
import type { UnfinishedTask } from '../tasks/index.js';
import { Admission } from './admission.js';
import { Intake } from './intake.js';
import { jobs } from './metrics.js';
import { Retention } from './retention.js';
import { Sweeper } from './sweeper.js';
import { TaskProcessor } from './task.processor.js';

/**
 * The worker role: takes tasks from the queue while the process lives. Before it stops it finishes those it holds, or hands
 * them back.
 */
@Injectable()
export class Worker implements OnApplicationBootstrap {
  private readonly logger = new Logger('Worker');
  private readonly config: QueueConfig;

  constructor(
    private readonly processor: TaskProcessor,
    private readonly presence: Presence,
    private readonly sweeper: Sweeper,
    private readonly admission: Admission,
    private readonly retention: Retention,
    private readonly intake: Intake,
    @Inject(TASK_QUEUE) private readonly queue: TaskQueue,
    config: ConfigService<Environment, true>,
  ) {
    this.config = config.get('queue', { infer: true });
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.presence.enter();
    this.queue.consume((taskId) => this.work(taskId), this.intake.limit);
    this.intake.onChange((limit) => this.queue.limit(limit));
    this.admission.start();
    this.retention.start();
    this.sweeper.start();
  }

  private async work(taskId: string): Promise<Handled> {
    const task = await this.processor.find(taskId);
    if (task) return this.workOn(task);
  }

  /** One job: a task's way through this worker, in the trace of its submission. Its lines in the log bear its ids. */
  private async workOn(task: UnfinishedTask): Promise<Handled> {
    const startedAt = performance.now();
    // Later waits, for another worker or for busy agents, are the gaps between two jobs.
    if (task.attempt === 0) recordStep('task.queue', task.traceparent, task.dueSince, { attributes: subjectsOf(task) });
    const { step, place } = enterTrace('task.process', task.traceparent, {
      kind: SpanKind.CONSUMER,
      attributes: {
        ...subjectsOf(task),
        'zerostate.attempts.lost': task.lostAttempts,
        'zerostate.attempts.handed_back': task.handedBackAttempts,
      },
    });
    return within({ trace: place, task_id: task.id, user_id: task.userId }, async () => {
      let outcome: 'done' | 'handed_back' | 'fault' = 'fault';
      try {
        const handled = await this.processor.process(task);
        outcome = handled ? 'handed_back' : 'done';
        return handled;
      } catch (error) {
        markFailed(step, error as Error);
        throw error;
      } finally {
        const duration_ms = Math.round(performance.now() - startedAt);
        jobs.inc({ outcome });
        tellRoutine(this.logger, { msg: 'job', outcome, duration_ms });
        step.setAttribute('zerostate.job.outcome', outcome).end();
      }
    });
  }

  /**
   * Takes no more tasks and finishes those it holds; what takes longer than `SHUTDOWN_GRACE_MS` is killed and handed back.
   * To be called before the application is closed.
   */
  async drain(): Promise<void> {
    const patience = setTimeout(() => this.processor.stop(), this.config.shutdownGraceMs);
    const clocks = [this.sweeper, this.admission, this.retention];
    await Promise.all([...clocks.map((clock) => clock.stop()), this.queue.stopConsuming()]);
    clearTimeout(patience);
    await this.presence.leave();
  }
}

const subjectsOf = ({ id, userId }: UnfinishedTask) => ({ 'zerostate.task.id': id, 'user.id': userId });
