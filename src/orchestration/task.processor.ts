import { Injectable, Logger } from '@nestjs/common';
import { ageOf } from '../common/ids.js';
import type { Handled } from '../queue/index.js';
import {
  type AttemptEnd,
  type ChangeOutcome,
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
import type { Auction, Bidder } from './auction/auction.js';
import { completion, failure, presentAward, presentFailure } from './settlement.js';
import { MetaAgent } from './meta-agent.js';
import { insist, pauseBefore, pauseWhileBusy } from './patience.js';

/** Workers that may die over one task before it counts as their killer. */
const MAX_LOST_WORKERS = 3;
/** Times a task may be handed back before the server gives it up: with the pauses between them, more than an hour. */
const MAX_HAND_BACKS = 100;

/**
 * A task's way through a worker: auction → award → sandbox → settlement, with the next-ranked agent's turn after a
 * failure, and another auction after the last of them. Runs at least once per task; what it writes is guarded, so that a second run of the same task settles nothing.
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
    if (isPastDeadline(task)) return this.fail(task, [], DEADLINE_EXCEEDED);
    if (task.lostAttempts > MAX_LOST_WORKERS) return this.fail(task, [], WORKERS_LOST);
    if (task.handedBackAttempts > MAX_HAND_BACKS) return this.fail(task, [], SERVER_FAULT);

    const failures: Failure[] = [];
    for (let round: Round = 'failed'; ;) {
      const asked = [...task.failedAgentIds, ...failures.map(({ agent }) => agent.agentId)];
      if (asked.length >= this.metaAgent.agentsPerTask) return this.fail(task, failures, failure(failures));
      const stale = round === 'stale';
      const auction = await insist(() => this.metaAgent.auction(task, asked, stale));
      if (auction.worthWaiting) return this.wait(task, failures);
      if (auction.failure && asked.length > 0) return this.fail(task, failures, failure(failures));
      if (auction.failure) return this.fail(task, failures, auction.failure, auction);
      round = await this.runRound(task, auction, failures);
      if (typeof round === 'object') return round.handled;
    }
  }

  /** Lets the agents of one auction try in their order, until one completes or none may try any more. */
  private async runRound(task: UnfinishedTask, auction: Auction, failures: Failure[]): Promise<Round> {
    const turns = auction.ranking.slice(0, this.metaAgent.agentsPerRound);
    for (const [turn, agent] of turns.entries()) {
      const ordinal = task.attempt + failures.length + 1;
      let result: AttemptResult;
      try {
        const award = await this.award(task, agent, ordinal, auction, turn, failures.at(-1));
        if (award === 'moved_on') return ENDED;
        if (award !== 'changed') return 'stale';
        result = await this.attempts.run(task, agent, ordinal);
      } catch (error) {
        return { handled: await this.handBack(task, agent, ordinal, error as Error) };
      }
      if (result.end === 'overtaken') return ENDED;
      if (result.end === 'stopped') return { handled: await this.handBack(task, agent, ordinal) };
      if (result.end === 'completed') return { handled: await this.complete(task, agent, ordinal, result) };
      if (result.end === 'spoilt') return { handled: await this.giveUp(task, agent, ordinal, result.error) };
      failures.push({ agent, ...result });
      if (isPastDeadline(task)) return { handled: await this.fail(task, failures, DEADLINE_EXCEEDED) };
    }
    return 'failed';
  }

  private award(
    task: UnfinishedTask,
    agent: Bidder,
    ordinal: number,
    auction: Auction,
    turn: number,
    failed: Failure | undefined,
  ): Promise<ChangeOutcome> {
    const award = presentAward(agent, ordinal);
    const competitive = auction.scoreboard.competitive;
    return this.store.award({
      taskId: task.id,
      to: 'assigned',
      attempt: ordinal - 1,
      leaseMs: task.timeoutMs + LEASE_MARGIN_MS,
      award: {
        ordinal,
        agentId: agent.agentId,
        agentRevision: agent.revision,
        version: agent.version,
        priceMicro: agent.priceMicro,
      },
      ended: failed?.record ?? lostWith(task),
      scoreboard: turn === 0 ? auction.scoreboard : undefined,
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
  private async handBack(task: UnfinishedTask, agent: Bidder, ordinal: number, fault?: Error): Promise<Handled> {
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

  /** Puts a task back that only busy agents could do. It keeps its place among attempts: who has failed it is not asked again. */
  private async wait(task: UnfinishedTask, failures: readonly Failure[]): Promise<Handled> {
    const last = failures.at(-1);
    const attempt = task.attempt + failures.length;
    if (last || task.status !== 'queued') {
      const change: TaskChange = {
        taskId: task.id,
        to: 'queued',
        from: ['assigned', 'running'],
        attempt,
        ended: last?.record ?? lostWith(task),
        event: {
          type: 'task.requeued',
          data: { status: 'queued', ...(last && presentFailure(last, attempt)), reason: 'busy' },
        },
        agentOwnerId: last?.agent.ownerId,
      };
      await insist(() => this.store.transition(change));
    }
    return { againInMs: pauseWhileBusy(ageOf(task.id)) };
  }

  private async complete(
    task: UnfinishedTask,
    agent: Bidder,
    ordinal: number,
    { result, metering }: Extract<AttemptResult, { end: 'completed' }>,
  ): Promise<void> {
    const change: TaskChange = {
      taskId: task.id,
      to: 'completed',
      attempt: ordinal,
      ended: { outcome: 'completed', error: null, metering },
      ...('text' in result ? { resultText: result.text } : { resultRef: result.document.sha256 }),
      costMicro: agent.priceMicro,
      event: { type: 'task.completed', data: completion(agent, ordinal, result, metering) },
      agentOwnerId: agent.ownerId,
    };
    const settled = await insist(() => this.store.transition(change));
    if (!settled) this.logger.warn(`dropped a late result of task ${task.id}, attempt ${ordinal}`);
  }

  /** Fails a task for what is its own fault and not its agent's; the attempt counts against nobody. */
  private async giveUp(task: UnfinishedTask, agent: Bidder, ordinal: number, error: TaskError): Promise<void> {
    const change: TaskChange = {
      taskId: task.id,
      to: 'failed',
      attempt: ordinal,
      ended: { outcome: HANDED_BACK, error, metering: null },
      error,
      event: { type: 'task.failed', data: { status: 'failed', attempt: ordinal, error } },
      agentOwnerId: agent.ownerId,
    };
    await insist(() => this.store.transition(change));
  }

  /** @param auction the one that found nobody */
  private async fail(
    task: UnfinishedTask,
    failures: readonly Failure[],
    error: TaskError,
    auction?: Auction,
  ): Promise<void> {
    const attempt = task.attempt + failures.length;
    const last = failures.at(-1);
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

/**
 * How the turns of one auction ended: another auction is called for, since all of them have failed or one of the agents could
 * not be awarded what it had bid for; or the task is done with.
 */
type Round = 'failed' | 'stale' | { handled: Handled };

/** By somebody else. */
const ENDED: Round = { handled: undefined };

/** An attempt that nobody has ended was lost with its worker. */
const lostWith = ({ status }: UnfinishedTask): AttemptEnd | undefined =>
  status === 'queued' ? undefined : LOST_ATTEMPT;

const isPastDeadline = ({ deadlineAt }: UnfinishedTask): boolean => performance.now() >= deadlineAt;

export interface Failure {
  agent: Bidder;
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
