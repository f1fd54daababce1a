import type { HostCallLimits, RunLimits, RunOutcome } from './run.js';

/**
 * The protocol between the server and a sandbox process, over the process's standard input and output.
 *
 *   server → sandbox    load (module)      a process serves one agent version in its whole life; again when the limit of
 *                                          tables is another one, for engines apply that when they compile
 *                       run (input)        one at a time
 *                       answer (answer)    once per call
 *   sandbox → server    ready              once
 *                       log                any number of times during a run
 *                       call (request)     during a run, one at a time: the sandbox waits for its answer
 *                       report (output)    once per run
 *
 * A frame is `u32 length of the header, u32 length of the payload` (little-endian), the header as JSON, the payload as
 * raw bytes. The sandbox side may be under an attacker's control, so the server bounds both lengths before it
 * allocates and checks every header, and the output, before it believes them.
 *
 * This module runs on both sides and imports nothing at run time.
 */
/** `EX_DATAERR` of sysexits.h: the exit code by which an agent says that its input is at fault, not itself. */
export const INPUT_REFUSED_EXIT = 65;

export type ToSandbox =
  /** Payload: the module's bytes. Limits to compile under: of tables those of the run, of memory the server's. */
  | { kind: 'load'; maxTableElements: number; maxMemoryPages: number }
  /** Payload: standard input. */
  | {
      kind: 'run';
      environment: Record<string, string>;
      timeoutMs: number;
      limits: RunLimits;
      /** Of the stack the process has; `limits.stackKb` are left of it. */
      withheldStackKb: number;
      /** Unset: the agent may call nothing. */
      hostCalls?: HostCallLimits;
    }
  /** Payload: the answer to the call with this number, a JSON object. */
  | { kind: 'answer'; n: number };

export type FromSandbox =
  | { kind: 'ready' }
  | { kind: 'log'; lines: string[] }
  /** Payload: the request. `n` counts from 0 in each run. */
  | { kind: 'call'; n: number; name: string }
  /** Payload: the output when `outcome` is `completed`, else nothing. */
  | { kind: 'report'; outcome: ReportedOutcome; usage: Usage };

/** What the sandbox can say about a run itself; the other ends are the server's to see. */
export type ReportedOutcome =
  | { end: 'completed' }
  | Extract<
      RunOutcome,
      {
        end:
          | 'exited'
          | 'input_refused'
          | 'trapped'
          | 'out_of_memory'
          | 'table_too_large'
          | 'output_too_large'
          | 'invalid_output'
          | 'refused';
      }
    >;

export interface Usage {
  /** Of this run, ms. */
  cpuMs: number;
  peakMemoryBytes: number;
  bytesOut: number;
  hostCalls: number;
}

export interface Frame {
  header: unknown;
  payload: Uint8Array;
}

export const PREFIX_BYTES = 8;

/**
 * The most bytes that all headers of one run can have: its report, one `log` for each kept line, and its calls. JSON writes a
 * kept byte as six at most.
 */
export const maxHeaderBytes = (
  { maxStderrBytes, maxStderrLines }: RunLimits,
  { maxCalls }: Pick<HostCallLimits, 'maxCalls'> = { maxCalls: 0 },
): number =>
  REPORT_HEADER_BYTES + 6 * maxStderrBytes + LOG_HEADER_BYTES * maxStderrLines + CALL_HEADER_BYTES * maxCalls;

/** Enough for what it quotes. */
export const REPORT_HEADER_BYTES = 64 * 1024;
/** Of a `log` with one line, without that line. */
const LOG_HEADER_BYTES = 32;
/** The longest header of a `call`. */
const CALL_HEADER_BYTES = 96;

/** The frame as pieces to be written in order. */
export function encodeFrame(header: ToSandbox | FromSandbox, payload: Uint8Array = EMPTY): Uint8Array[] {
  const head = new TextEncoder().encode(JSON.stringify(header));
  const start = new Uint8Array(PREFIX_BYTES + head.length);
  const view = new DataView(start.buffer);
  view.setUint32(0, head.length, true);
  view.setUint32(4, payload.length, true);
  start.set(head, PREFIX_BYTES);
  return payload.length > 0 ? [start, payload] : [start];
}

/** @param prefix the first `PREFIX_BYTES` of a frame */
export function frameLengths(prefix: Uint8Array): { header: number; payload: number } {
  const view = new DataView(prefix.buffer, prefix.byteOffset, PREFIX_BYTES);
  return { header: view.getUint32(0, true), payload: view.getUint32(4, true) };
}

/** @throws SyntaxError when the header is not JSON */
export function decodeFrame(header: Uint8Array, payload: Uint8Array): Frame {
  return { header: JSON.parse(new TextDecoder().decode(header)), payload };
}

/**
 * Cuts a stream of chunks into frames, refusing any that is longer than agreed before there is room for it. Chunks are
 * copied as they come: kept ones of a single byte would each take some hundred.
 */
export class FrameDecoder {
  /** What is coming in: a prefix, or a frame whose prefix has come. */
  private frame = new Uint8Array(PREFIX_BYTES);
  private filled = 0;

  /**
   * Both may change between frames.
   * @param headerRoom bytes that the headers of all further frames may have together
   */
  constructor(
    public headerRoom: number,
    public maxPayloadBytes: number,
  ) {}

  /**
   * @returns the frames this chunk completes
   * @throws RangeError when a frame is too long, SyntaxError when a header is not JSON
   */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    for (let rest = chunk; rest.length > 0;) {
      const piece = rest.subarray(0, this.frame.length - this.filled);
      this.frame.set(piece, this.filled);
      this.filled += piece.length;
      rest = rest.subarray(piece.length);
      if (this.filled === PREFIX_BYTES) this.makeRoom();
      if (this.filled > PREFIX_BYTES && this.filled === this.frame.length) frames.push(this.take());
    }
    return frames;
  }

  private makeRoom(): void {
    const { header, payload } = frameLengths(this.frame);
    if (header === 0 || header > this.headerRoom) throw new RangeError(`a header of ${header} bytes`);
    if (payload > this.maxPayloadBytes) throw new RangeError(`a payload of ${payload} bytes`);
    this.headerRoom -= header;
    const prefix = this.frame;
    this.frame = new Uint8Array(PREFIX_BYTES + header + payload);
    this.frame.set(prefix);
  }

  private take(): Frame {
    const { frame } = this;
    this.frame = new Uint8Array(PREFIX_BYTES);
    this.filled = 0;
    const body = PREFIX_BYTES + frameLengths(frame).header;
    return decodeFrame(frame.subarray(PREFIX_BYTES, body), frame.subarray(body));
  }
}

const EMPTY = new Uint8Array(0);
