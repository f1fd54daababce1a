import { Injectable, Logger } from '@nestjs/common';
import { pauseBefore } from '../common/backoff.js';
import { addToWorkContext } from '../common/work-context.js';
import { Presence } from '../database/index.js';
import { markEndedBy, traced } from '../observability/index.js';
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
import {
  attemptAttributes,
  completion,
  failure,
  inputIsRefused,
  presentAward,
  presentFailure,
  taskEvent,
} from './presentation.js';
import { MetaAgent } from './meta-agent.js';
import { lateResults } from './metrics.js';
import { insist, pauseWhileBusy } from './patience.js';

/** Workers that may die over one task before it counts as their killer. */
const MAX_LOST_WORKERS = 3;
/** Times a task may be handed back before the server gives it up: with the pauses between them, more than an hour. */
const MAX_HAND_BACKS = 100;
/** Auctions in a row whose awards were refused before the task goes back to the queue. */
const MAX_STALE_ROUNDS = 5;
/** How soon a task that another worker holds is looked at again, in case that one dies, ms. */
const LOOK_AGAIN_MS = 5_000;

/**
 * A task's way through a worker: auction → award → sandbox → settlement, with the next-ranked agent's turn after a
 * failure, and another auction after the last of them. Runs at least once per task; what it writes is guarded, so that a second run of the same task settles nothing.
 *
 * The queue may hand out an entry too early or twice (a worker that hangs, a clock that is off, a backend that forgets): the row
 * says whether it is time, and whose the task is. What is nobody's fault (storage or database away, this process stopping) hands the
 * task back to the queue.
 */
@Injectable()
export class TaskProcessor {
  private readonly logger = new Logger('Processor');
  private readonly stopping = new AbortController();

  constructor(
    private readonly tasks: TaskLookup,
    private readonly metaAgent: MetaAgent,
    private readonly attempts: AttemptRunner,
    private readonly store: TaskStore,
    private readonly presence: Presence,
  ) {}

  /** The task as it stands, however long the database is away. @returns null when there is none, or it has ended */
  find(taskId: string): Promise<UnfinishedTask | null> {
    return this.insist(() => this.tasks.unfinished(taskId, this.presence.trustsAbsence));
  }

  async process(task: UnfinishedTask): Promise<Handled> {
    if (task.startsInMs > 0) return { againInMs: task.startsInMs };
    if (task.heldForMs > 0) return { againInMs: Math.min(task.heldForMs, LOOK_AGAIN_MS) };
    if (isPastDeadline(task)) return this.fail(task, [], DEADLINE_EXCEEDED);
    if (task.lostAttempts > MAX_LOST_WORKERS) return this.fail(task, [], WORKERS_LOST);
    if (task.handedBackAttempts > MAX_HAND_BACKS) return this.fail(task, [], SERVER_FAULT);

    const failures: Failure[] = [];
    let staleRounds = 0;
    for (let round: Round = 'failed'; ;) {
      const asked = [...task.failedAgentIds, ...failures.map(({ agent }) => agent.agentId)];
      if (asked.length >= this.metaAgent.agentsPerTask) return this.fail(task, failures, failure(failures));
      const stale = round === 'stale';
      staleRounds = stale ? staleRounds + 1 : 0;
      if (staleRounds === MAX_STALE_ROUNDS) return this.wait(task, failures);
      const auction = await this.insist(() => this.metaAgent.auction(task, asked, stale));
      if (auction.worthWaiting) return this.wait(task, failures);
      if (auction.failure && asked.length > 0) return this.fail(task, failures, failure(failures));
      if (auction.failure) return this.fail(task, failures, auction.failure, auction);
      round = await this.runRound(task, auction, failures);
      if (typeof round === 'object') return round.handled;
    }
  }

  /** Kills what runs, hands it back and begins nothing more; the database, if it is away, is waited for no longer. */
  stop(): void {
    this.stopping.abort();
    this.attempts.stop();
  }

  private insist<T>(work: () => Promise<T>): Promise<T> {
    return insist(work, this.stopping.signal);
  }

  /** Lets the agents of one auction try in their order, until one completes or none may try any more. */
  private async runRound(task: UnfinishedTask, auction: Auction, failures: Failure[]): Promise<Round> {
    const turns = auction.ranking.slice(0, this.metaAgent.agentsPerRound);
    for (const [turn, agent] of turns.entries()) {
      const ordinal = task.attempt + failures.length + 1;
      addToWorkContext({ agent_id: agent.agentId });
      let result: AttemptResult;
      try {
        const award = await this.award(task, agent, ordinal, auction, turn, failures.at(-1));
        if (award === 'moved_on') return ENDED;
        if (award !== 'changed') return 'stale';
        result = await this.attempts.run(task, agent, ordinal);
      } catch (error) {
        return { handled: await this.handBack(task, agent, failures, error as Error) };
      }
      if (result.end === 'overtaken') return ENDED;
      if (result.end === 'stopped') return { handled: await this.handBack(task, agent, failures) };
      if (result.end === 'completed') return { handled: await this.complete(task, agent, ordinal, result, failures) };
      if (result.end === 'spoilt') return { handled: await this.giveUp(task, agent, ordinal, result.error) };
      failures.push({ agent, ...result });
      // By its error, too: the timer that killed it may have been ahead of the clock by a millisecond or two.
      const late = result.error.code === DEADLINE_EXCEEDED.code || isPastDeadline(task);
      if (late) return { handled: await this.fail(task, failures, DEADLINE_EXCEEDED) };
      if (inputIsRefused(failures)) return { handled: await this.fail(task, failures, failure(failures)) };
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
    const change = {
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
        worker: this.presence.id,
      },
      ended: failed?.record ?? lostWith(task),
      scoreboard: turn === 0 ? auction.scoreboard : undefined,
      event: failed
        ? taskEvent(task, 'task.failover', {
            ...presentFailure(failed, ordinal - 1),
            status: 'assigned',
            next: award,
          })
        : taskEvent(task, 'task.assigned', { status: 'assigned', ...award, competitive }),
      agentOwnerId: (failed?.agent ?? agent).ownerId,
    } satisfies TaskChange;
    return traced('task.award', { attributes: attemptAttributes(agent, ordinal) }, async (step) => {
      const outcome = await this.store.award(change);
      step.setAttribute('zerostate.award', outcome);
      return outcome;
    });
  }

  /**
   * Puts a task back that this worker cannot go on with; the attempt of `agent` counts against nobody.
   * @param fault why not; without: this process stops
   */
  private async handBack(
    task: UnfinishedTask,
    agent: Bidder,
    failures: readonly Failure[],
    fault?: Error,
  ): Promise<Handled> {
    const attempt = task.attempt + failures.length + 1;
    const reason = fault ? 'fault' : 'stop';
    if (fault) this.logger.warn(`task ${task.id} goes back to the queue: ${fault.message}`);
    const error = fault ? BACKEND_AWAY : WORKER_STOPPED;
    const handedBack = await this.settle({
      taskId: task.id,
      to: 'queued',
      from: ['assigned', 'running'],
      attempt,
      ended: { outcome: HANDED_BACK, error, metering: null },
      event: taskEvent(task, 'task.requeued', { status: 'queued', attempt, agent_id: agent.agentId, reason }),
      agentOwnerId: agent.ownerId,
    });
    // The award was not written: what came before it still is to be told.
    if (!handedBack) await this.requeue(task, failures, reason);
    return { againInMs: fault ? pauseBefore(task.handedBackAttempts + 1) : 0 };
  }

  /** Puts a task back that only busy agents could do, or such as are taken or changed each time before it is awarded to them. */
  private async wait(task: UnfinishedTask, failures: readonly Failure[]): Promise<Handled> {
    await this.requeue(task, failures, 'busy');
    return { againInMs: pauseWhileBusy(Math.max(0, Date.now() - task.dueSince)) };
  }

  /** Puts a task back between two attempts. It keeps its place among them: who has failed it is not asked again. */
  private async requeue(task: UnfinishedTask, failures: readonly Failure[], reason: string): Promise<void> {
    const last = failures.at(-1);
    const attempt = task.attempt + failures.length;
    if (!last && task.status === 'queued') return;
    const change: TaskChange = {
      taskId: task.id,
      to: 'queued',
      from: ['assigned', 'running'],
      attempt,
      ended: last?.record ?? lostWith(task),
      event: taskEvent(task, 'task.requeued', {
        status: 'queued',
        ...(last && presentFailure(last, attempt)),
        reason,
      }),
      agentOwnerId: last?.agent.ownerId,
    };
    await this.settle(change);
  }

  private async complete(
    task: UnfinishedTask,
    agent: Bidder,
    ordinal: number,
    { result, record, through }: Extract<AttemptResult, { end: 'completed' }>,
    failures: readonly Failure[],
  ): Promise<void> {
    const change: TaskChange = {
      taskId: task.id,
      to: 'completed',
      through,
      attempt: ordinal,
      ended: record,
      ...('text' in result ? { resultText: result.text } : { resultRef: result.document.sha256 }),
      costMicro: agent.priceMicro,
      event: taskEvent(task, 'task.completed', completion(agent, ordinal, result, record.metering, failures)),
      agentOwnerId: agent.ownerId,
    };
    const settled = await this.settle(change);
    // Written, and the answer was lost with the connection: a repetition finds it done.
    if (settled || (await this.insist(() => this.tasks.outcome(task.id, ordinal))) === 'completed') return;
    lateResults.inc();
    this.logger.warn(`dropped a late result of task ${task.id}, attempt ${ordinal}`);
  }

  /** Fails a task for what is its own fault and not its agent's; the attempt counts against nobody. */
  private async giveUp(task: UnfinishedTask, agent: Bidder, ordinal: number, error: TaskError): Promise<void> {
    const change: TaskChange = {
      taskId: task.id,
      to: 'failed',
      attempt: ordinal,
      ended: { outcome: HANDED_BACK, error, metering: null },
      error,
      event: taskEvent(task, 'task.failed', { status: 'failed', attempt: ordinal, error }),
      agentOwnerId: agent.ownerId,
    };
    await this.settle(change);
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
      event: taskEvent(task, 'task.failed', {
        status: 'failed',
        ...(last && presentFailure(last, attempt)),
        error,
      }),
      agentOwnerId: last?.agent.ownerId,
    };
    await this.settle(change);
  }

  /** The last write of this worker about a task: it has ended, or goes back to the queue. */
  private settle(change: TaskChange): Promise<boolean> {
    const name = change.to === 'queued' ? 'task.requeue' : 'task.settle';
    const attributes = { 'zerostate.task.status': change.to, 'zerostate.event.type': change.event.type };
    return traced(name, { attributes }, async (step) => {
      const written = await this.insist(() => this.store.transition(change));
      step.setAttribute('zerostate.written', written);
      if (change.error) markEndedBy(step, change.error);
      return written;
    });
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
  trap?: string;
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
