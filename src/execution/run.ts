import { PAGES_PER_MB, type RunLimitsDto } from '../common/run-limits.dto.js';
import type { BlobRef } from '../storage/index.js';

/**
 * Terms of the sandbox.
 *
 * - *run*: one execution of one agent version: a fresh instance, its input on standard input, its output from standard
 *   output. An agent is a WASI preview 1 command: it exports `memory` and `_start`, and returns or exits with code 0.
 * - *outcome*: how a run ended. Every way an agent can misbehave is an outcome, none is an exception.
 * - *trap*: the engine stopped the agent at an instruction that has no result.
 * - *metering*: what the run used.
 */
export interface RunRequest {
  /** The version to run: lower-case hex SHA-256 of its bytes, and where they are. */
  binary: { sha256: string; ref: BlobRef };
  /** JSON text for standard input; or how to get it, which is done once there is a slot, since it may be large. */
  input: string | (() => Promise<Uint8Array>);
  /** `bytes`: of up to `maxOutputBlobBytes` of the configuration. Unset: text. */
  outputAs?: 'text' | 'bytes';
  /** Wall time for handing over, compiling, instantiating and running, ms; waiting for a slot does not count. */
  timeoutMs: number;
  /** Tighter than the server's; what is looser counts as the server's. */
  limits?: Partial<RunLimits>;
  /** Environment variables the agent sees; names must match `ZEROSTATE_[A-Z0-9_]*`. */
  environment?: Record<string, string>;
  /** What the agent may ask of the host; unset: nothing. */
  hostCalls?: HostCalls;
  /** Called for each kept line of standard error, in order, while the agent runs; never after the report. */
  onLog?: (line: string) => void;
  /** Called when the wait for a slot is over; the run starts once it has settled, and not at all when it fails. */
  onStart?: () => void | Promise<void>;
  /** Aborting takes the run out of the queue or kills it. */
  signal?: AbortSignal;
}

/** What a run may ask of the host. The sandbox refuses the rest by itself, and the server kills a sandbox that does not. */
export interface HostCallLimits {
  /** Names of the methods that the agent may call. */
  methods: readonly string[];
  /** Calls of one run. */
  maxCalls: number;
  /** The largest request of one call. */
  maxRequestBytes: number;
}

/** The host's side of a run's calls. */
export interface HostCalls extends HostCallLimits {
  /**
   * Carries out one call; the agent waits meanwhile. Never called for a method that is not among `methods`.
   * @param request bytes as the agent wrote them
   * @param place for calls that take long
   * @returns the answer, a JSON object. Must not reject.
   */
  answer(n: number, name: string, request: Uint8Array, place: RunPlace): Promise<Uint8Array>;
}

/**
 * The sandbox slot of a run that waits for the answer to a call. A *parked* run has given its slot to others: its process
 * keeps its memory and uses no processor time, and the run's time limit stands still.
 */
export interface RunPlace {
  /** Parks the run. */
  park(): void;
  /** Waits for a slot, ahead of runs that have not begun. Also resolves when the run ends meanwhile. */
  unpark(): Promise<void>;
}

/** What one run may use. The server's configuration sets the most, a task may ask for less. */
export interface RunLimits {
  /** Linear memory, pages of 64 KiB: growth beyond is refused by the engine. */
  maxMemoryPages: number;
  /** Elements of one table: growth beyond is refused by the engine. */
  maxTableElements: number;
  /** Stack of its calls, KiB, those of the host in between included. */
  stackKb: number;
  /** Processor time of all threads, compiling included, ms. */
  maxCpuMs: number;
  /** Standard output, bytes. */
  maxOutputBytes: number;
  /** Kept of standard error, bytes and lines; what is beyond is dropped. */
  maxStderrBytes: number;
  maxStderrLines: number;
  /** Length of a tick of the agent's clocks, µs. */
  clockResolutionUs: number;
}

/** Of limits as versions and tasks name them. */
export const toRunLimits = (asked: RunLimitsDto): Partial<RunLimits> => ({
  maxMemoryPages: asked.memory_mb && asked.memory_mb * PAGES_PER_MB,
  maxTableElements: asked.table_elements,
  stackKb: asked.stack_kb,
  maxCpuMs: asked.cpu_ms,
  maxOutputBytes: asked.output_bytes,
  maxStderrBytes: asked.log_bytes,
  maxStderrLines: asked.log_lines,
});

/** Of each limit the lowest; Infinity where none of them says. */
export const lowestOf = (...limits: Partial<RunLimits>[]): RunLimits =>
  Object.fromEntries(
    (Object.entries(NO_LIMITS) as [keyof RunLimits, number][]).map(([name, none]) => [
      name,
      Math.min(...limits.map((one) => one[name] ?? none)),
    ]),
  ) as Record<keyof RunLimits, number>;

const NO_LIMITS: RunLimits = {
  maxMemoryPages: Infinity,
  maxTableElements: Infinity,
  stackKb: Infinity,
  maxCpuMs: Infinity,
  maxOutputBytes: Infinity,
  maxStderrBytes: Infinity,
  maxStderrLines: Infinity,
  clockResolutionUs: Infinity,
};

export interface RunReport {
  outcome: RunOutcome;
  metering: Metering;
}

export type RunOutcome =
  /**
   * `output` is one JSON document: as text without the white space around it, or as its bytes, where the run asked for bytes.
   */
  | { end: 'completed'; output: string | Uint8Array }
  /** `proc_exit` with `INPUT_REFUSED_EXIT`: the agent works, and cannot do this input. */
  | { end: 'input_refused'; stderrTail: string }
  /** `proc_exit` with another code than 0. `stderrTail` is the end of standard error, at most 2 KiB. */
  | { end: 'exited'; code: number; stderrTail: string }
  /** `function` is where, in the words of the module's name section, when it has one. */
  | { end: 'trapped'; trap: TrapKind; function?: string; stderrTail: string }
  | { end: 'timed_out'; afterMs: number }
  | { end: 'cpu_exhausted'; limitMs: number }
  /**
   * It wanted more memory to begin with than it may have; or it was refused more and then exited or trapped; or it made the
   * sandbox process run out of memory. `hadBytes` and `askedBytes`, where growth was refused: the memory it had at its end,
   * and how much more it had asked for last.
   */
  | { end: 'out_of_memory'; limitBytes: number; hadBytes?: number; askedBytes?: number }
  /** The same of a table. Of growth it is known only where the module exports the table. */
  | { end: 'table_too_large'; limitElements: number }
  | { end: 'output_too_large'; limitBytes: number }
  | { end: 'invalid_output'; reason: string }
  /** The module does not compile, link or fit the calling convention: no instruction of `_start` ran. */
  | { end: 'refused'; reason: string }
  /** The sandbox process itself died, or said something it must not say. */
  | { end: 'crashed'; reason: string }
  | { end: 'cancelled' };

/** Every way to end. */
export const RUN_ENDS = [
  'completed',
  'exited',
  'input_refused',
  'trapped',
  'timed_out',
  'cpu_exhausted',
  'out_of_memory',
  'table_too_large',
  'output_too_large',
  'invalid_output',
  'refused',
  'crashed',
  'cancelled',
] as const satisfies readonly RunOutcome['end'][];

export const TRAP_KINDS = [
  'unreachable',
  'out_of_bounds_memory',
  'out_of_bounds_table',
  'unaligned_access',
  'integer_divide_by_zero',
  'integer_overflow',
  'invalid_conversion_to_integer',
  'indirect_call_mismatch',
  'null_reference',
  /** Of the engine's stack: calls too deep. */
  'stack_overflow',
  /** Of the stack that C, C++ and Rust keep in linear memory, which the linker sized. */
  'linear_stack_overflow',
  'uncaught_exception',
  /** AssemblyScript's `abort`; its message is the last line of standard error. */
  'abort',
  /** A host function imported with a wrong signature was called. */
  'bad_host_call',
  /** A component broke a rule of the component model; the last line of standard error says which. */
  'component_rule',
  'other',
] as const;
export type TrapKind = (typeof TRAP_KINDS)[number];

export interface Metering {
  /** From handing over to the end, ms. */
  wallMs: number;
  /**
   * Processor time of the sandbox process, all threads, ms. Of a killed run it is sampled just before the kill to 10 ms;
   * where it cannot be read (no `/proc`, the process died by itself) the wall time stands in.
   */
  cpuMs: number;
  /**
   * Size of the linear memory at the end (it never shrinks). Of a killed run: by how much the resident memory of its
   * process had grown, which leaves out pages it never touched; 0 where that cannot be read.
   */
  peakMemoryBytes: number;
  /** Standard input handed over, bytes. */
  bytesIn: number;
  /** Standard output written, bytes; 0 when the run was killed. */
  bytesOut: number;
  /** Calls of functions of the host; 0 when the run was killed. */
  hostCalls: number;
}

/** A run that was cancelled before it began. */
export const CANCELLED: RunReport = {
  outcome: { end: 'cancelled' },
  metering: { wallMs: 0, cpuMs: 0, peakMemoryBytes: 0, bytesIn: 0, bytesOut: 0, hostCalls: 0 },
};
