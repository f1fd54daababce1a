import { AsyncResource } from 'node:async_hooks';
import { Readable } from 'node:stream';
import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import type { Candidate } from '../agents/index.js';
import { sampledTraceparent } from '../common/work-context.js';
import { lowestOf, type RunReport, type RunRequest, SandboxService, toRunLimits } from '../execution/index.js';
import { markEndedBy, outageLog, tellRoutine, traced } from '../observability/index.js';
import { EVENT_STREAM, EventLog, type EventStream } from '../feed/index.js';
import {
  type AttemptEnd,
  type AttemptMetering,
  DEADLINE_EXCEEDED,
  type StoredDocument,
  type TaskChange,
  TaskDocuments,
  type TaskError,
  TaskLookup,
  TaskStore,
  type UnfinishedTask,
} from '../tasks/index.js';
import { errorOf, failed, faultOf, ofDocument } from './attempt-errors.js';
import { AttemptLog } from './attempt-log.js';
import type { Bidder } from './auction/auction.js';
import { Intake } from './intake.js';
import { attemptDuration, attempts } from './metrics.js';
import { attemptAttributes, taskEvent } from './presentation.js';

/** Time beyond its timeout after which a worker that says nothing counts as lost, ms. */
export const LEASE_MARGIN_MS = 30_000;

/** How often a worker asks whether its attempts still count, in case a signal was lost, ms. */
const CHECK_MS = 2_000;

export type AttemptResult =
  | { end: 'completed'; result: TaskResult; record: Completed; through?: TaskChange['through'] }
  | { end: 'failed'; error: TaskError; trap?: string; record: AttemptEnd }
  /** What is wrong is the task's: its input is gone, its result may not be kept, or its time was over before it began. Nobody else need try. */
  | { end: 'spoilt'; error: TaskError }
  /** The task has ended meanwhile, by cancellation or by another worker: there is nothing left to settle. */
  | { end: 'overtaken' }
  /** This process stops: another one may do it. */
  | { end: 'stopped' };

type Completed = AttemptEnd & { metering: AttemptMetering };

/** JSON text, or the document that it is. */
export type TaskResult = { text: string } | { document: StoredDocument };

/** Why a run was killed. */
type Kill = 'overtaken' | 'deadline' | 'stopped';

/** Runs one attempt: the sandbox, the task's way into `running`, its log lines, and its cancellation. */
@Injectable()
export class AttemptRunner implements OnApplicationShutdown {
  private readonly logger = new Logger('Attempts');
  private readonly warnOfOutage = outageLog(this.logger, 'a cancellation may go unnoticed');
  private readonly warnOfUnmetered = outageLog(this.logger, 'what a cancelled attempt took is not written');
  private readonly running = new Map<string, { abort: AbortController; ordinal: number }>();
  private readonly clock: NodeJS.Timeout;
  private stopping = false;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly sandbox: SandboxService,
    private readonly store: TaskStore,
    private readonly events: EventLog,
    private readonly lookup: TaskLookup,
    private readonly intake: Intake,
    private readonly documents: TaskDocuments,
    @Inject(EVENT_STREAM) stream: EventStream,
  ) {
    this.unsubscribe = stream.subscribe(({ signals }) => {
      for (const { type, id } of signals) if (type === 'task.cancelled') kill(this.running.get(id)?.abort, 'overtaken');
    });
    this.clock = setInterval(() => void this.check().catch(this.warnOfOutage), CHECK_MS);
  }

  run(task: UnfinishedTask, agent: Bidder, ordinal: number): Promise<AttemptResult> {
    return traced('task.attempt', { attributes: attemptAttributes(agent, ordinal) }, async (step) => {
      const stopClock = attemptDuration.startTimer();
      let outcome = 'fault';
      try {
        const result = await this.tryOut(task, agent, ordinal);
        outcome = outcomeOf(result);
        if (result.end === 'failed') markEndedBy(step, result.error);
        return result;
      } finally {
        const duration_ms = Math.round(stopClock() * 1000);
        attempts.inc({ outcome });
        step.setAttribute('zerostate.outcome', outcome);
        tellRoutine(this.logger, { msg: 'attempt', version: agent.version, attempt: ordinal, outcome, duration_ms });
      }
    });
  }

  private async tryOut(task: UnfinishedTask, agent: Candidate, ordinal: number): Promise<AttemptResult> {
    const abort = new AbortController();
    const log = new AttemptLog(this.events, task, agent, ordinal);
    const askedAt = performance.now();
    let started: { at: number; change: TaskChange; entered: Promise<boolean> } | undefined;
    const deadline = atDeadline(task, () => kill(abort, 'deadline'));
    if (this.stopping) kill(abort, 'stopped');
    this.running.set(task.id, { abort, ordinal });
    try {
      const report = await this.sandbox.run({
        ...this.requestFor(task, agent, ordinal),
        signal: abort.signal,
        // Lines come from a process that may have been started for another task.
        onLog: AsyncResource.bind((line: string) => log.add(line)),
        // The agent does not wait for the commit that says it runs; its settlement does, or says it in its stead.
        onStart: () => {
          const at = performance.now();
          const change = toRunning(task, agent, ordinal, at);
          started = { at, change, entered: this.store.transition(change) };
          this.intake.waited(started.at - askedAt);
          started.entered.then(
            (entered) => entered || kill(abort, 'overtaken'),
            () => kill(abort, 'overtaken'),
          );
        },
      });
      const result = await this.resultOf(task, report, started !== undefined, abort.signal.reason as Kill);
      if (!started) return result;
      if ('record' in result) result.record.runningSince = started.at;
      if (result.end === 'completed' && this.store.withdraw(started.change)) {
        return { ...result, through: { event: started.change.event } };
      }
      if ((await started.entered) && result.end !== 'overtaken') return result;
      // Whoever ended the attempt could not know what it took.
      await this.store.meterLate(task.id, ordinal, measured(report)).catch(this.warnOfUnmetered);
      return { end: 'overtaken' };
    } catch (error) {
      if (this.stopping) return { end: 'stopped' };
      return faultOf(error);
    } finally {
      clearTimeout(deadline);
      this.running.delete(task.id);
      await log.close();
    }
  }

  private requestFor(task: UnfinishedTask, agent: Candidate, ordinal: number): RunRequest {
    const { input } = task;
    return {
      binary: { sha256: agent.sha256, ref: agent.storageRef },
      input: typeof input === 'string' ? input : () => ofDocument(this.documents.read(input)),
      outputAs: task.resultByRef ? 'bytes' : 'text',
      timeoutMs: Math.min(task.timeoutMs, agent.limits?.timeout_ms ?? Infinity),
      // The server's, too, are the sandbox's to apply.
      limits: lowestOf(toRunLimits(task.limits ?? {}), toRunLimits(agent.limits ?? {})),
      environment: environmentOf(task, ordinal),
    };
  }

  /** As the run alone tells it. @param killed why, if it was */
  private async resultOf(
    task: UnfinishedTask,
    report: RunReport,
    started: boolean,
    killed: Kill,
  ): Promise<AttemptResult> {
    const { outcome } = report;
    const metering = measured(report);
    switch (outcome.end) {
      case 'completed':
        return {
          end: 'completed',
          result: await this.keep(task, outcome.output),
          record: { outcome: 'completed', error: null, metering },
        };
      case 'cancelled':
        // Until it had a sandbox, no agent could have done anything about it.
        if (killed === 'deadline' && !started) return { end: 'spoilt', error: DEADLINE_EXCEEDED };
        if (killed === 'deadline') return failed(DEADLINE_EXCEEDED, 'timed_out', metering);
        return { end: killed === 'stopped' ? 'stopped' : 'overtaken' };
      default:
        return failed(errorOf(outcome), outcome.end, metering, outcome.end === 'trapped' ? outcome.trap : undefined);
    }
  }

  private async keep({ userId }: UnfinishedTask, output: string | Uint8Array): Promise<TaskResult> {
    if (typeof output === 'string') return { text: output };
    const bytes = Readable.from([output], { objectMode: false });
    return { document: await ofDocument(this.documents.keep(userId, bytes, output.length)) };
  }

  /** Kills what runs and begins nothing more. */
  stop(): void {
    this.stopping = true;
    for (const { abort } of this.running.values()) kill(abort, 'stopped');
  }

  onApplicationShutdown(): void {
    clearInterval(this.clock);
    this.unsubscribe();
  }

  /** Kills what runs for nothing: the row decides, signals only make it quick. */
  private async check(): Promise<void> {
    if (this.running.size === 0) return;
    const held = [...this.running].map(([taskId, { ordinal, abort }]) => ({ taskId, ordinal, abort }));
    const overtaken = new Set(await this.lookup.overtaken(held));
    // The very attempts that were asked about: another one of the task may have begun meanwhile.
    for (const { taskId, abort } of held) if (overtaken.has(taskId)) kill(abort, 'overtaken');
  }
}

const toRunning = (task: UnfinishedTask, agent: Candidate, ordinal: number, runningSince: number): TaskChange => ({
  taskId: task.id,
  to: 'running',
  runningSince,
  attempt: ordinal,
  leaseMs: task.timeoutMs + LEASE_MARGIN_MS,
  event: taskEvent(task, 'task.running', { status: 'running', attempt: ordinal, agent_id: agent.agentId }),
  agentOwnerId: agent.ownerId,
});

/** What the agent may know of where it runs. */
function environmentOf(task: UnfinishedTask, ordinal: number): Record<string, string> {
  const traceparent = sampledTraceparent();
  return {
    ...(traceparent && { ZEROSTATE_TRACEPARENT: traceparent }),
    ZEROSTATE_TASK_ID: task.id,
    ZEROSTATE_ATTEMPT: String(ordinal),
  };
}

const outcomeOf = (result: AttemptResult): string => (result.end === 'failed' ? result.record.outcome : result.end);

/** The first reason holds. */
const kill = (run: AbortController | undefined, why: Kill): void => run?.abort(why);

/** Longer timers overflow; a task that takes weeks is beyond every timeout anyway. */
const MAX_TIMER_MS = 2 ** 31 - 1;

function atDeadline({ deadlineAt }: UnfinishedTask, expire: () => void): NodeJS.Timeout | undefined {
  if (deadlineAt === Infinity) return undefined;
  return setTimeout(expire, Math.min(Math.max(0, deadlineAt - performance.now()), MAX_TIMER_MS));
}

const measured = ({ metering }: RunReport): AttemptMetering => ({
  wall_ms: toMicroseconds(metering.wallMs),
  cpu_ms: toMicroseconds(metering.cpuMs),
  peak_memory_bytes: metering.peakMemoryBytes,
  bytes_in: metering.bytesIn,
  bytes_out: metering.bytesOut,
  host_calls: metering.hostCalls,
});

/** Clocks are not better than that. */
const toMicroseconds = (ms: number): number => Math.round(ms * 1000) / 1000;
