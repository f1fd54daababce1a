import { AppError } from '../common/app-error.js';
import type { RunOutcome } from '../execution/index.js';
import type { AttemptMetering, TaskError } from '../tasks/index.js';
import type { AttemptResult } from './attempt-result.js';

/** @param trap kind of the trap that ended the run, if one did */
export const failed = (
  error: TaskError,
  outcome: string,
  metering: AttemptMetering | null,
  trap?: string,
): AttemptResult => ({
  end: 'failed',
  error,
  trap,
  record: { outcome, error, metering },
});

/**
 * The result of an attempt that threw.
 * @throws the error, when neither agent nor task is to blame: a later attempt may succeed
 */
export function faultOf(error: unknown): AttemptResult {
  const fault = error instanceof DocumentFault ? error.fault : error;
  if (!(fault instanceof AppError)) throw fault;
  const told = { code: fault.code, message: fault.message };
  if (error instanceof DocumentFault) {
    if (UNRUNNABLE.has(fault.code)) return { end: 'unrunnable', error: told };
  } else if (fault.kind !== 'unavailable' && /^(BLOB|STORAGE)_/.test(fault.code)) {
    // A binary that is missing, corrupt or out of reach fails this agent; another one may still do the task.
    return failed(told, fault.code.toLowerCase(), null);
  }
  throw fault;
}

/** Faults of a document that every later attempt would meet too, until its submitter acts. */
const UNRUNNABLE: ReadonlySet<string> = new Set(['INPUT_GONE', 'INPUT_DAMAGED', 'QUOTA_EXCEEDED', 'ACCOUNT_GONE']);

/** A fault of the task's own document. Its agent is not to blame. */
class DocumentFault extends Error {
  constructor(readonly fault: Error) {
    super(fault.message);
  }
}

export const ofDocument = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error: Error) => Promise.reject(new DocumentFault(error)));

/** What the submitter reads, and the agent's owner where the submitter shares logs: it may quote the log or the output. */
export function errorOf(outcome: FailedRun): TaskError {
  switch (outcome.end) {
    case 'exited':
      return {
        code: 'AGENT_EXITED',
        message: `The agent exited with code ${outcome.code}. ${outcome.stderrTail}`.trim(),
      };
    case 'input_refused':
      return {
        code: INPUT_REFUSED,
        message: `The agent refused the input. ${outcome.stderrTail}`.trim(),
      };
    case 'trapped': {
      const place = outcome.function ? ` in ${outcome.function}` : '';
      const advice = outcome.trap === 'linear_stack_overflow' ? ` ${LARGER_STACK}` : '';
      return { code: 'AGENT_TRAPPED', message: `The agent trapped: ${outcome.trap}${place}.${advice}` };
    }
    case 'timed_out':
      return { code: 'AGENT_TIMED_OUT', message: `The agent was stopped after ${Math.round(outcome.afterMs)} ms.` };
    case 'cpu_exhausted':
      return {
        code: 'AGENT_CPU_EXHAUSTED',
        message: `The agent used more than the ${outcome.limitMs} ms of processor time it may use.`,
      };
    case 'out_of_memory':
      return {
        code: 'AGENT_OUT_OF_MEMORY',
        message: `The agent wanted more than the ${mib(outcome.limitBytes)} of memory it may have${growthOf(outcome)}.`,
      };
    case 'table_too_large':
      return {
        code: 'AGENT_TABLE_TOO_LARGE',
        message: `The agent wanted more than the ${outcome.limitElements} elements its tables may have.`,
      };
    case 'output_too_large':
      return { code: 'AGENT_OUTPUT_TOO_LARGE', message: `The agent wrote more than ${outcome.limitBytes} bytes.` };
    case 'invalid_output':
      return {
        code: 'AGENT_OUTPUT_INVALID',
        message: `The agent's output is not one JSON document: ${outcome.reason}`,
      };
    case 'refused':
      return { code: 'AGENT_NOT_RUNNABLE', message: `The binary cannot be run: ${outcome.reason}` };
    case 'crashed':
      return { code: 'SANDBOX_CRASHED', message: `The sandbox process died: ${outcome.reason}` };
  }
}

/** Of an output that does not fit the schema that its version declares. */
export const outputMisfit = (fault: string): TaskError => ({
  code: 'AGENT_OUTPUT_INVALID',
  message: `The agent's output does not fit the schema that it declares: ${fault}.`,
});

/** Code of a task, and of an attempt, whose input its agents refused. */
export const INPUT_REFUSED = 'INPUT_REFUSED';

const LARGER_STACK = 'Link it with a larger stack, such as -Wl,--stack-first -Wl,-z,stack-size=1048576.';

const mib = (bytes: number): string => `${Math.round((bytes / 2 ** 20) * 100) / 100} MiB`;

const growthOf = ({ hadBytes, askedBytes }: Extract<FailedRun, { end: 'out_of_memory' }>): string =>
  hadBytes === undefined || askedBytes === undefined
    ? ''
    : `: it had ${mib(hadBytes)} and asked for ${mib(askedBytes)} more`;

type FailedRun = Exclude<RunOutcome, { end: 'completed' | 'cancelled' }>;
