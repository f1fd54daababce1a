import { Injectable, Logger } from '@nestjs/common';
import type { Candidate } from '../agents/index.js';
import {
  type AttemptEnd,
  DEADLINE_EXCEEDED,
  LOST,
  type TaskError,
  TaskLookup,
  TaskStore,
  type UnfinishedTask,
} from '../tasks/index.js';
import { type AttemptResult, AttemptRunner, LEASE_MARGIN_MS } from './attempt.js';
import type { Auction } from './auction/auction.js';
import { completion, failure, presentAward, presentFailure } from './settlement.js';
import { MetaAgent } from './meta-agent.js';

/** Workers that may die over one task before it counts as their killer. */
const MAX_LOST_WORKERS = 3;

/**
 * A task's way through a worker: auction → award → sandbox → settlement, with the next-ranked agent's turn after a
 * failure. Runs at least once per task; what it writes is guarded, so that a second run of the same task settles nothing.
 */
@Injectable()
export class TaskProcessor {
  private readonly logger = new Logger('Processor');

  constructor(
    private readonly tasks: TaskLookup,
    private readonly metaAgent: MetaAgent,
    private readonly attempts: AttemptRunner,
    private readonly store: TaskStore,
  ) {}

  async process(taskId: string): Promise<void> {
    const task = await this.tasks.unfinished(taskId);
    if (!task) return;
    if (isPastDeadline(task)) return this.fail(task, task.attempt, null, DEADLINE_EXCEEDED);
    if (this.hasLostTooManyWorkers(task)) return this.fail(task, task.attempt, null, WORKERS_LOST);

    const auction = await this.metaAgent.auction(task);
    if (auction.failure) return this.fail(task, task.attempt, null, auction.failure, auction);

    const turns = auction.ranking.slice(0, this.metaAgent.maxAgentsPerTask - task.failedAgentIds.length);
    const failures: Failure[] = [];
    for (const agent of turns) {
      const ordinal = task.attempt + failures.length + 1;
      if (!(await this.award(task, agent, ordinal, auction, failures.at(-1)))) return;
      const result = await this.attempts.run(task, agent, ordinal);
      if (result.end === 'overtaken') return;
      if (result.end === 'completed') return this.complete(task, agent, ordinal, result);
      failures.push({ agent, ...result });
      if (isPastDeadline(task)) break;
    }
    const error = isPastDeadline(task) ? DEADLINE_EXCEEDED : failure(failures);
    await this.fail(task, task.attempt + failures.length, failures.at(-1) ?? null, error);
  }

  /** @returns false when the task has moved on without this worker */
  private award(
    task: UnfinishedTask,
    agent: Candidate,
    ordinal: number,
    auction: Auction,
    failed: Failure | undefined,
  ): Promise<boolean> {
    const award = presentAward(agent, ordinal);
    const competitive = auction.scoreboard.competitive;
    return this.store.transition({
      taskId: task.id,
      to: 'assigned',
      attempt: ordinal - 1,
      leaseMs: task.timeoutMs + LEASE_MARGIN_MS,
      award: {
        ordinal,
        agentId: agent.agentId,
        version: agent.version,
        priceMicro: agent.priceMicro,
      },
      ended: failed?.record ?? (task.attempt > 0 ? LOST_ATTEMPT : undefined),
      scoreboard: failed ? undefined : auction.scoreboard,
      event: failed
        ? { type: 'task.failover', data: { ...presentFailure(failed, ordinal - 1), status: 'assigned', next: award } }
        : { type: 'task.assigned', data: { status: 'assigned', ...award, competitive } },
      agentOwnerId: (failed?.agent ?? agent).ownerId,
    });
  }

  private async complete(
    task: UnfinishedTask,
    agent: Candidate,
    ordinal: number,
    result: Extract<AttemptResult, { end: 'completed' }>,
  ): Promise<void> {
    const settled = await this.store.transition({
      taskId: task.id,
      to: 'completed',
      attempt: ordinal,
      ended: { outcome: 'completed', error: null, metering: result.metering },
      resultText: result.outputText,
      costMicro: agent.priceMicro,
      event: { type: 'task.completed', data: completion(agent, ordinal, result) },
      agentOwnerId: agent.ownerId,
    });
    if (!settled) this.logger.warn(`dropped a late result of task ${task.id}, attempt ${ordinal}`);
  }

  private async fail(
    task: UnfinishedTask,
    attempt: number,
    last: Failure | null,
    error: TaskError,
    auction?: Auction,
  ): Promise<void> {
    const lost = task.attempt > 0 ? LOST_ATTEMPT : undefined;
    await this.store.transition({
      taskId: task.id,
      to: 'failed',
      attempt,
      ended: last?.record ?? lost,
      scoreboard: auction?.scoreboard,
      error,
      event: { type: 'task.failed', data: { status: 'failed', ...(last && presentFailure(last, attempt)), error } },
      agentOwnerId: last?.agent.ownerId,
    });
  }

  private hasLostTooManyWorkers(task: UnfinishedTask): boolean {
    return task.attempt - task.failedAgentIds.length > MAX_LOST_WORKERS;
  }
}

const isPastDeadline = ({ deadlineAt }: UnfinishedTask): boolean => performance.now() >= deadlineAt;

export interface Failure {
  agent: Candidate;
  error: TaskError;
  record: AttemptEnd;
}

const WORKERS_LOST: TaskError = {
  code: 'WORKERS_LOST',
  message: 'Several workers died while they held this task; it was given up.',
};

const LOST_ATTEMPT: AttemptEnd = {
  outcome: LOST,
  error: { code: 'WORKER_LOST', message: 'The worker died before the attempt ended.' },
  metering: null,
};
