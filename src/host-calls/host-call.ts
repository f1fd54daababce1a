import type { Permissions } from '../common/permissions.dto.js';
import type { AskedQuestion } from '../tasks/index.js';

/** Every method that an agent can call, and the permission that it needs. */
export const HOST_CALL_METHODS = {
  'http.fetch': 'http',
  'llm.chat': 'llm',
  'llm.embed': 'llm',
  'kv.get': 'kv',
  'kv.put': 'kv',
  'kv.delete': 'kv',
  'kv.list': 'kv',
  'output.emit': 'output',
  'input.ask': 'ask',
  'task.submit': 'tasks',
  'task.wait': 'tasks',
} as const satisfies Record<string, keyof Permissions>;

export type HostCallMethod = keyof typeof HOST_CALL_METHODS;

/** The attempt that makes a call, and what it may do. */
export interface CallContext {
  taskId: string;
  /** The task's submitter. */
  userId: string;
  agentId: string;
  agentOwnerId: string;
  /** Ordinal of the attempt. */
  attempt: number;
  /** Number of the call in its attempt, from 0. */
  n: number;
  /** Kinds of permission that the task allows. */
  allow: readonly string[];
  /** Whether the owner of the agent may read the log. */
  shareLogs: boolean;
  /** The version's permissions, as far as operator and task allow them. */
  permissions: Permissions;
  /** The same for each repetition of this call, for services that recognise repetitions. */
  idempotencyKey: string;
  /** Partial results of the attempt so far. */
  emitted: { bytes: number };
  /** Questions of the attempt so far. */
  asked: { count: number; bytes: number };
  /** For calls that wait for the submitter. */
  parking: Parking;
  /** Aborted when the attempt ends: at its deadline, or when the task is cancelled. Most calls end after a time, too. */
  signal: AbortSignal;
}

/** How an attempt waits for an answer without a sandbox slot. */
export interface Parking {
  /**
   * Shows the task as `input_required` while `wait` goes on.
   * @returns what `wait` resolves to, once the attempt has a slot again
   * @throws HostCallError `TOO_MANY_PARKED` when as many agents wait as may, `CALL_ENDED` when the attempt no longer counts,
   *   and whatever `wait` throws
   */
  whileAsking<T>(question: AskedQuestion, wait: () => Promise<T>): Promise<T>;

  /**
   * As `whileAsking`, but the task is shown as `running`.
   * @param mostMs how long `wait` takes at most
   */
  whileWaiting<T>(mostMs: number, wait: () => Promise<T>): Promise<T>;
}

/** One method's implementation. */
export interface HostCallHandler {
  /**
   * Checks a request. Sends nothing.
   * @param request parsed JSON, anything
   * @throws HostCallError that the agent reads
   */
  prepare(request: unknown, context: CallContext): PreparedCall | Promise<PreparedCall>;
}

/** The handler of each method. */
export type Handlers = Record<HostCallMethod, HostCallHandler>;

/** A call that is allowed and can be carried out. */
export interface PreparedCall {
  /** For the record: the host or the model. Never a path, a query or a body. */
  target: string | null;
  /** The most it can cost, micro-credits; it is reserved before the call is carried out. */
  maxCostMicro: bigint;
  /** @throws HostCallError when it failed; then it costs nothing, unless the error says so */
  carryOut(): Promise<CarriedOut>;
}

export interface CarriedOut {
  /** The answer: a JSON object. */
  answer: object;
  /** What it cost, micro-credits; at most `maxCostMicro`. */
  costMicro: bigint;
}

/** A call that fails with an answer the agent can read. Its message says what is wrong, the limit and what to do. */
export class HostCallError extends Error {
  /**
   * @param code stable, such as `HOST_NOT_ALLOWED`
   * @param costMicro what the call cost nevertheless
   */
  constructor(
    readonly code: string,
    message: string,
    readonly costMicro = 0n,
  ) {
    super(message);
  }
}
