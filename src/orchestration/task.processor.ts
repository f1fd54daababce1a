import { Injectable, Logger } from '@nestjs/common';
import type { Candidate } from '../agents/index.js';
import type { Handled } from '../queue/index.js';
import {
  type AttemptEnd,
  DEADLINE_EXCEEDED,
  HANDED_BACK,
  LOST,
  type TaskError,
  type TaskChange,
  TaskLookup,
  TaskStore,
  type UnfinishedTask,
} from '../tasks/index.js';
import { type AttemptResult, AttemptRunner, LEASE_MARGIN_MS } from './attempt.js';
import type { Auction } from './auction/auction.js';
import { completion, failure, presentAward, presentFailure } from './settlement.js';
import { MetaAgent } from './meta-agent.js';
import { insist, pauseBefore } from './patience.js';

/** Workers that may die over one task before it counts as their killer. */
const MAX_LOST_WORKERS = 3;
/** Times a task may be handed back before the server gives it up: with the pauses between them, more than an hour. */
const MAX_HAND_BACKS = 100;

/**
 * A task's way through a worker: auction → award → sandbox → settlement, with the next-ranked agent's turn after a
 * failure. Runs at least once per task; what it writes is guarded, so that a second run of the same task settles nothing.
 *
 * What is nobody's fault (storage or database away, this process stopping) hands the task back to the queue.
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

  async process(taskId: string): Promise<Handled> {
    const task = await this.tasks.unfinished(taskId);
    if (!task) return;
    if (isPastDeadline(task)) return this.fail(task, task.attempt, null, DEADLINE_EXCEEDED);
    if (task.lostAttempts > MAX_LOST_WORKERS) return this.fail(task, task.attempt, null, WORKERS_LOST);
    if (task.handedBackAttempts > MAX_HAND_BACKS) return this.fail(task, task.attempt, null, SERVER_FAULT);

    const auction = await this.metaAgent.auction(task);
    if (auction.failure) return this.fail(task, task.attempt, null, auction.failure, auction);

    const turns = auction.ranking.slice(0, this.metaAgent.maxAgentsPerTask - task.failedAgentIds.length);
    const failures: Failure[] = [];
    for (const agent of turns) {
      const ordinal = task.attempt + failures.length + 1;
      let result: AttemptResult;
      try {
        if (!(await this.award(task, agent, ordinal, auction, failures.at(-1)))) return;
        result = await this.attempts.run(task, agent, ordinal);
      } catch (error) {
        return this.handBack(task, agent, ordinal, error as Error);
      }
      if (result.end === 'overtaken') return;
      if (result.end === 'stopped') return this.handBack(task, agent, ordinal);
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
      ended: failed?.record ?? lostWith(task),
      scoreboard: failed ? undefined : auction.scoreboard,
      event: failed
        ? { type: 'task.failover', data: { ...presentFailure(failed, ordinal - 1), status: 'assigned', next: award } }
        : { type: 'task.assigned', data: { status: 'assigned', ...award, competitive } },
      agentOwnerId: (failed?.agent ?? agent).ownerId,
    });
  }

  /**
   * Puts a task back that this worker cannot go on with; its attempt counts against nobody.
   * @param fault why not; without: this process stops
   */
  private async handBack(task: UnfinishedTask, agent: Candidate, ordinal: number, fault?: Error): Promise<Handled> {
    if (fault) this.logger.warn(`task ${task.id} goes back to the queue: ${fault.message}`);
    const error = fault ? BACKEND_AWAY : WORKER_STOPPED;
    await insist(() =>
      this.store.transition({
        taskId: task.id,
        to: 'queued',
        from: ['assigned', 'running'],
        attempt: ordinal,
        ended: { outcome: HANDED_BACK, error, metering: null },
        event: {
          type: 'task.requeued',
          data: { status: 'queued', attempt: ordinal, agent_id: agent.agentId, reason: fault ? 'fault' : 'stop' },
        },
        agentOwnerId: agent.ownerId,
      }),
    );
    return { againInMs: fault ? pauseBefore(task.handedBackAttempts + 1) : 0 };
  }

  private async complete(
    task: UnfinishedTask,
    agent: Candidate,
    ordinal: number,
    result: Extract<AttemptResult, { end: 'completed' }>,
  ): Promise<void> {
    const change: TaskChange = {
      taskId: task.id,
      to: 'completed',
      attempt: ordinal,
      ended: { outcome: 'completed', error: null, metering: result.metering },
      resultText: result.outputText,
      costMicro: agent.priceMicro,
      event: { type: 'task.completed', data: completion(agent, ordinal, result) },
      agentOwnerId: agent.ownerId,
    };
    const settled = await insist(() => this.store.transition(change));
    if (!settled) this.logger.warn(`dropped a late result of task ${task.id}, attempt ${ordinal}`);
  }

  private async fail(
    task: UnfinishedTask,
    attempt: number,
    last: Failure | null,
    error: TaskError,
    auction?: Auction,
  ): Promise<void> {
    const change: TaskChange = {
      taskId: task.id,
      to: 'failed',
      attempt,
      ended: last?.record ?? lostWith(task),
      scoreboard: auction?.scoreboard,
      error,
      event: { type: 'task.failed', data: { status: 'failed', ...(last && presentFailure(last, attempt)), error } },
      agentOwnerId: last?.agent.ownerId,
    };
    await insist(() => this.store.transition(change));
  }
}

/** An attempt that nobody has ended was lost with its worker. */
const lostWith = ({ status }: UnfinishedTask): AttemptEnd | undefined =>
  status === 'queued' ? undefined : LOST_ATTEMPT;

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

const SERVER_FAULT: TaskError = {
  code: 'SERVER_FAULT',
  message: 'The server could not get at what the task needs for too long; it was given up. It may be retried.',
};

const BACKEND_AWAY: TaskError = {
  code: 'BACKEND_AWAY',
  message: 'The worker could not get at what the attempt needs; the task is tried again.',
};

const WORKER_STOPPED: TaskError = {
  code: 'WORKER_STOPPED',
  message: 'The worker was stopped; another one takes the task.',
};

const LOST_ATTEMPT: AttemptEnd = {
  outcome: LOST,
  error: { code: 'WORKER_LOST', message: 'The worker died before the attempt ended.' },
  metering: null,
};
