import { AsyncResource } from 'node:async_hooks';
import { Readable } from 'node:stream';
import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { type Candidate, VersionContracts } from '../agents/index.js';
import { MAX_TIMER_MS } from '../common/timers.js';
import { sampledTraceparent } from '../common/work-context.js';
import { lowestOf, type RunReport, type RunRequest, SandboxService, toRunLimits } from '../execution/index.js';
import { type CallingAttempt, HostCallBroker } from '../host-calls/index.js';
import { markEndedBy, outageLog, tellRoutine, traced } from '../observability/index.js';
import { Orphans } from '../scheduling/index.js';
import { EVENT_STREAM, EventLog, type EventStream } from '../feed/index.js';
import {
  type AttemptMetering,
  DEADLINE_EXCEEDED,
  MAX_ROW_RESULT_BYTES,
  SubTasks,
  TaskDocuments,
  TaskLookup,
  TaskStore,
  type ToRunning,
  type UnfinishedTask,
} from '../tasks/index.js';
import { errorOf, failed, faultOf, ofDocument, outputMisfit } from './attempt-errors.js';
import type { AttemptResult, TaskResult } from './attempt-result.js';
import { AttemptParking } from './attempt-parking.js';
import { AttemptLog } from './attempt-log.js';
import type { Bidder } from '../auction/index.js';
import { Intake } from './intake.js';
import { attemptDuration, attempts } from './metrics.js';
import { ParkingLot } from './parking-lot.js';
import { outputFault } from './output-contract.js';
import { attemptAttributes } from './presentation.js';
import { running } from './settlement.js';

/** How often a worker asks whether its attempts still count, in case a signal was lost, ms. */
const CHECK_MS = 2_000;

/** Why a run was killed. */
type Kill = 'superseded' | 'deadline' | 'stopped' | 'crowded';

/** Runs one attempt: the sandbox, the task's way into `running`, its log lines, and its cancellation. */
@Injectable()
export class AttemptRunner implements OnApplicationShutdown {
  private readonly logger = new Logger('Attempts');
  private readonly warnOfOutage = outageLog(this.logger, 'a cancellation may go unnoticed');
  private readonly warnOfUnmetered = outageLog(this.logger, 'the metering of a cancelled attempt is lost');
  private readonly running = new Map<string, { abort: AbortController; ordinal: number; parking: AttemptParking }>();
  private readonly clock: NodeJS.Timeout;
  private stopping = false;
  private draining = false;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly sandbox: SandboxService,
    private readonly store: TaskStore,
    private readonly events: EventLog,
    private readonly lookup: TaskLookup,
    private readonly intake: Intake,
    private readonly documents: TaskDocuments,
    private readonly broker: HostCallBroker,
    private readonly contracts: VersionContracts,
    private readonly lot: ParkingLot,
    private readonly orphans: Orphans,
    private readonly subTasks: SubTasks,
    @Inject(EVENT_STREAM) stream: EventStream,
  ) {
    this.unsubscribe = stream.subscribe(({ signals }) => {
      for (const { type, id } of signals)
        if (type === 'task.cancelled') kill(this.running.get(id)?.abort, 'superseded');
    });
    this.clock = setInterval(() => void this.check().catch(this.warnOfOutage), CHECK_MS);
  }

  run(task: UnfinishedTask, agent: Bidder, ordinal: number): Promise<AttemptResult> {
    return traced('task.attempt', { attributes: attemptAttributes(agent, ordinal) }, async (span) => {
      const stopClock = attemptDuration.startTimer();
      let outcome = 'fault';
      try {
        const result = await this.tryOut(task, agent, ordinal);
        outcome = outcomeOf(result);
        if (result.end === 'failed') markEndedBy(span, result.error);
        return result;
      } finally {
        const duration_ms = Math.round(stopClock() * 1000);
        attempts.inc({ outcome });
        span.setAttribute('zerostate.outcome', outcome);
        tellRoutine(this.logger, { msg: 'attempt', version: agent.version, attempt: ordinal, outcome, duration_ms });
      }
    });
  }

  private async tryOut(task: UnfinishedTask, agent: Candidate, ordinal: number): Promise<AttemptResult> {
    const abort = new AbortController();
    const log = new AttemptLog(this.events, task, agent, ordinal);
    const place = this.intake.enter(() => kill(abort, 'crowded'));
    let started: { at: number; change: ToRunning; entered: Promise<boolean> } | undefined;
    const parking = new AttemptParking({
      ...{
        task,
        agent,
        ordinal,
        intake: place,
        store: this.store,
        subTasks: this.subTasks,
        lot: this.lot,
        signal: abort.signal,
      },
      entered: async () => (await started?.entered) ?? false,
      onParked: () => this.draining && kill(abort, 'stopped'),
    });
    const calls = this.broker.open(callingAttempt(task, agent, ordinal), agent.permissions, task.allow, (slot) =>
      parking.of(slot),
    );
    const deadline = atDeadline(task, () => kill(abort, 'deadline'));
    if (this.stopping) kill(abort, 'stopped');
    this.running.set(task.id, { abort, ordinal, parking });
    try {
      const report = await this.sandbox.run({
        ...this.requestFor(task, agent, ordinal),
        signal: abort.signal,
        hostCalls: calls ?? undefined,
        // Lines come from a process that may have been started for another task.
        onLog: AsyncResource.bind((line: string) => log.add(line)),
        // The agent does not wait for this commit. Its settlement waits for it, or writes both changes as one.
        onStart: () => {
          const at = performance.now();
          const change = running(task, agent, ordinal, at);
          started = { at, change, entered: this.store.transition(change) };
          place.start();
          started.entered.then(
            (entered) => entered || kill(abort, 'superseded'),
            () => kill(abort, 'superseded'),
          );
        },
      });
      await calls?.close();
      const isBlameless = started === undefined || parking.isParked;
      const result = await this.resultOf(task, agent, report, isBlameless, abort.signal.reason as Kill);
      if (!started) return result;
      if ('record' in result)
        Object.assign(result.record, { runningSince: started.at, logBytes: log.bytes + (calls?.storedBytes ?? 0) });
      if (result.end === 'completed' && this.store.withdraw(started.change)) {
        return { ...result, through: started.change.event };
      }
      if ((await started.entered) && result.end !== 'superseded') return result;
      // The process that ended the attempt could not know its metering.
      await this.store.meterLate(task.id, ordinal, measured(report), log.bytes).catch(this.warnOfUnmetered);
      return { end: 'superseded' };
    } catch (error) {
      if (this.stopping) return { end: 'stopped' };
      return faultOf(error);
    } finally {
      clearTimeout(deadline);
      place.leave();
      await calls?.close();
      if (calls?.mayHaveSubTasks) await this.orphans.cancelOf({ taskId: task.id, attempt: ordinal });
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
      // The sandbox applies the server's own limits too.
      limits: lowestOf(toRunLimits(task.limits ?? {}), toRunLimits(agent.limits ?? {})),
      environment: environmentOf(task, ordinal),
    };
  }

  /**
   * The result by the run's report alone.
   * @param isBlameless the agent had no sandbox, or waited for an answer, so it could not meet the deadline
   * @param killed why the run was killed, if it was
   */
  private async resultOf(
    task: UnfinishedTask,
    agent: Candidate,
    report: RunReport,
    isBlameless: boolean,
    killed: Kill,
  ): Promise<AttemptResult> {
    const { outcome } = report;
    const metering = measured(report);
    switch (outcome.end) {
      case 'completed': {
        const fault = await this.outputFault(agent, outcome.output);
        if (fault) return failed(outputMisfit(fault), 'invalid_output', metering);
        return {
          end: 'completed',
          result: await this.keep(task, outcome.output),
          record: { outcome: 'completed', error: null, metering },
        };
      }
      case 'cancelled':
        if (killed === 'deadline' && isBlameless) return { end: 'unrunnable', error: DEADLINE_EXCEEDED };
        if (killed === 'deadline') return failed(DEADLINE_EXCEEDED, 'timed_out', metering);
        return { end: killed === 'stopped' || killed === 'crowded' ? killed : 'superseded' };
      default:
        return failed(errorOf(outcome), outcome.end, metering, outcome.end === 'trapped' ? outcome.trap : undefined);
    }
  }

  /** What is wrong with an output by the schema that its version declares; null for nothing. */
  private async outputFault({ contract }: Candidate, output: string | Uint8Array): Promise<string | null> {
    if (!contract?.output) return null;
    const { output: schema } = await this.contracts.of(contract.versionId);
    return schema && outputFault(schema, output);
  }

  private async keep({ userId, resultByRef }: UnfinishedTask, output: string | Uint8Array): Promise<TaskResult> {
    if (typeof output === 'string' && Buffer.byteLength(output) <= MAX_ROW_RESULT_BYTES) return { text: output };
    const bytes = typeof output === 'string' ? Buffer.from(output) : output;
    const stream = (): Readable => Readable.from([bytes], { objectMode: false });
    return { document: await ofDocument(this.documents.keep(userId, stream, bytes.length)), named: resultByRef };
  }

  /** Kills the runs that wait for answers, now and later: another worker may wait as well. The questions stay open. */
  releaseParked(): void {
    this.draining = true;
    for (const { abort, parking } of this.running.values()) if (parking.isParked) kill(abort, 'stopped');
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

  /** Kills runs that no longer count. The row decides; signals only make it quick. */
  private async check(): Promise<void> {
    if (this.running.size === 0) return;
    const underWay = [...this.running].map(([taskId, { ordinal, abort }]) => ({ taskId, ordinal, abort }));
    const superseded = new Set(await this.lookup.superseded(underWay));
    // Only the attempts that were asked about: a later one of the same task may run by now.
    for (const { taskId, abort } of underWay) if (superseded.has(taskId)) kill(abort, 'superseded');
  }
}

const callingAttempt = (task: UnfinishedTask, agent: Candidate, ordinal: number): CallingAttempt => ({
  taskId: task.id,
  userId: task.userId,
  agentId: agent.agentId,
  agentOwnerId: agent.ownerId,
  attempt: ordinal,
  shareLogs: task.shareLogs,
  allow: task.allow,
});

/** Environment variables of the agent. */
function environmentOf(task: UnfinishedTask, ordinal: number): Record<string, string> {
  const traceparent = sampledTraceparent();
  return {
    ...(traceparent && { ZEROSTATE_TRACEPARENT: traceparent }),
    ZEROSTATE_TASK_ID: task.id,
    ZEROSTATE_ATTEMPT: String(ordinal),
  };
}

const outcomeOf = (result: AttemptResult): string => (result.end === 'failed' ? result.record.outcome : result.end);

/** Ends a run. The first reason counts. */
const kill = (run: AbortController | undefined, why: Kill): void => run?.abort(why);

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
