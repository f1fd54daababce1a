import type { Logger } from '@nestjs/common';
import type { Permissions } from '../common/permissions.dto.js';
import type { HostCallConfig } from '../config/index.js';
import { stringify } from '../common/raw-json.js';
import type { RunPlace } from '../execution/index.js';
import { traced } from '../observability/index.js';
import type { CallRecords, EndedCall } from './call-records.js';
import {
  type CallContext,
  type Handlers,
  HostCallError,
  type HostCallMethod,
  type Parking,
  type PreparedCall,
} from './host-call.js';
import { callDuration } from './metrics.js';

/** The attempt that calls. */
export interface CallingAttempt {
  taskId: string;
  /** The task's submitter. */
  userId: string;
  agentId: string;
  agentOwnerId: string;
  /** Ordinal of the attempt. */
  attempt: number;
  /** Whether the owner of the agent may see the calls. */
  shareLogs: boolean;
  /** Kinds of permission that the task allows. */
  allow: readonly string[];
}

interface Host {
  attempt: CallingAttempt;
  permissions: Permissions;
  methods: readonly HostCallMethod[];
  handlers: Handlers;
  records: Pick<CallRecords, 'reserve' | 'end'>;
  /** @param place the run's slot */
  parkingOf: (place: RunPlace) => Parking;
  config: HostCallConfig;
  logger: Logger;
}

/**
 * The host calls of one attempt: grant, reserve, carry out, settle, record. The agent waits for each answer, so there is
 * one call at a time. A call that is refused or fails has an answer that the agent can read.
 */
export class AttemptCalls {
  readonly methods: readonly HostCallMethod[];
  readonly maxCalls: number;
  readonly maxRequestBytes: number;
  private readonly emitted = { bytes: 0 };
  private readonly asked = { count: 0, bytes: 0 };
  private readonly abort = new AbortController();
  private readonly recorded: Promise<void>[] = [];
  private current: Promise<unknown> = Promise.resolve();
  /** Requests and answers so far. */
  private bytes = 0;

  constructor(private readonly host: Host) {
    this.methods = host.methods;
    this.maxCalls = host.config.perAttempt;
    this.maxRequestBytes = host.config.maxRequestBytes;
  }

  /** Whether the attempt has tried to submit sub-tasks. */
  mayHaveSubTasks = false;

  /** What partial results, questions and records of calls take, bytes: it counts for the submitter's quota. */
  get storedBytes(): number {
    return this.emitted.bytes + this.asked.bytes + this.recorded.length * RECORD_BYTES;
  }

  /** Serves a call. Never rejects. @returns the answer, a JSON object */
  answer(n: number, name: string, request: Uint8Array, place: RunPlace): Promise<Uint8Array> {
    const method = name as HostCallMethod;
    const answered = traced('host.call', { attributes: { 'zerostate.call.method': method } }, () =>
      this.serve(n, method, request, place),
    );
    this.current = answered;
    return answered;
  }

  /** Ends the call under way, if any. Resolves when every call is recorded: before the attempt is settled. */
  async close(): Promise<void> {
    this.abort.abort();
    await this.current;
    await Promise.all(this.recorded);
  }

  private async serve(n: number, method: HostCallMethod, request: Uint8Array, place: RunPlace): Promise<Uint8Array> {
    const startedAt = performance.now();
    const signal = this.signalFor(method);
    const context: CallContext = {
      ...this.host.attempt,
      n,
      permissions: this.host.permissions,
      idempotencyKey: `${this.host.attempt.taskId}-${this.host.attempt.attempt}-${n}`,
      emitted: this.emitted,
      asked: this.asked,
      parking: this.host.parkingOf(place),
      signal,
    };
    if (method === 'task.submit') this.mayHaveSubTasks = true;
    const ended: EndedCall = {
      context,
      shareLogs: this.host.attempt.shareLogs,
      method,
      target: null,
      outcome: 'OK',
      costMicro: 0n,
      reservedMicro: 0n,
      requestBytes: request.length,
      answerBytes: 0,
      durationMs: 0,
    };
    let answer: object;
    try {
      this.count(request.length);
      answer = await this.perform(context, request, ended);
    } catch (error) {
      const refusal = this.toRefusal(error, method, signal);
      ended.outcome = refusal.code;
      // How far a paid call got that was given up is unknown, so it is charged in full.
      ended.costMicro = refusal.code === 'CALL_ENDED' ? ended.reservedMicro : refusal.costMicro;
      answer = { error: { code: refusal.code, message: refusal.message } };
    }
    const bytes = this.encode(answer, ended);
    ended.answerBytes = bytes.length;
    ended.durationMs = performance.now() - startedAt;
    callDuration.observe({ method, outcome: ended.outcome === 'OK' ? 'ok' : 'error' }, ended.durationMs / 1000);
    // A partial result is an event already.
    if (method !== 'output.emit') this.record(ended);
    return bytes;
  }

  /** People and other agents may take longer than a service: these calls end by their own time. */
  private signalFor(method: HostCallMethod): AbortSignal {
    if (method === 'input.ask' || method === 'task.wait') return this.abort.signal;
    return AbortSignal.any([this.abort.signal, AbortSignal.timeout(this.host.config.timeoutMs)]);
  }

  private async perform(context: CallContext, request: Uint8Array, ended: EndedCall): Promise<object> {
    const call = await this.host.handlers[ended.method].prepare(parse(request), context);
    ended.target = call.target;
    await this.reserve(call, ended);
    const { answer, costMicro } = await untilAborted(call.carryOut(), context.signal);
    ended.costMicro = costMicro < call.maxCostMicro ? costMicro : call.maxCostMicro;
    return answer;
  }

  private async reserve({ maxCostMicro }: PreparedCall, ended: EndedCall): Promise<void> {
    if (maxCostMicro === 0n) return;
    if (!(await this.host.records.reserve(ended, maxCostMicro))) {
      throw new HostCallError(
        'HOST_COST_EXCEEDED',
        'This call could cost more than the task still pays for host calls (its max_host_cost).',
      );
    }
    ended.reservedMicro = maxCostMicro;
  }

  /** @throws HostCallError beyond the bytes of an attempt */
  private count(bytes: number): void {
    this.bytes += bytes;
    const { maxAttemptBytes } = this.host.config;
    if (this.bytes > maxAttemptBytes) {
      throw new HostCallError('TOO_MANY_BYTES', `The calls of one attempt may move ${maxAttemptBytes} bytes.`);
    }
  }

  private encode(answer: object, ended: EndedCall): Uint8Array {
    const bytes = Buffer.from(stringify(answer));
    this.bytes += bytes.length;
    const { maxAnswerBytes } = this.host.config;
    if (bytes.length <= maxAnswerBytes) return bytes;
    ended.outcome = 'ANSWER_TOO_LARGE';
    const message = `The answer has ${bytes.length} bytes, and an answer may have ${maxAnswerBytes}.`;
    return Buffer.from(JSON.stringify({ error: { code: ended.outcome, message } }));
  }

  private record(ended: EndedCall): void {
    this.recorded.push(
      this.host.records
        .end(ended)
        .catch((error: Error) =>
          this.host.logger.warn(`call ${ended.context.n} of ${ended.context.taskId} is not recorded: ${error.message}`),
        ),
    );
  }

  private toRefusal(error: unknown, method: string, { aborted }: AbortSignal): HostCallError {
    if (error instanceof HostCallError) return error;
    if (aborted) return new HostCallError('CALL_ENDED', 'The call took too long, or its attempt ended.');
    this.host.logger.error(`${method} failed: ${(error as Error).stack}`);
    return new HostCallError('INTERNAL_ERROR', 'The server failed to carry out this call. Try again later.');
  }
}

/** A row and an event, roughly. */
const RECORD_BYTES = 500;

/** @throws HostCallError for what is not JSON */
function parse(request: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(request)) as unknown;
  } catch {
    throw new HostCallError('INVALID_REQUEST', 'The request is not JSON in UTF-8.');
  }
}

/** A handler that does not heed the signal must not hold up the attempt. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
