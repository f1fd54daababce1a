import { trap } from '../component/faults.js';
import type { HostFunctionCode, HostInterface } from '../component/host-interface.js';
import type { Case, Value } from '../component/value-type.js';
import type { HostClock } from '../host-clock.js';

/** Clock ids of `HostClock`. */
export const CLOCK = { wall: 0, monotonic: 1 } as const;
/** Bytes of one read or write. */
const PIECE_BYTES = 65_536;
const MOST_POLLABLES = 1024;

export const ok = (value?: Value): Case => ({ case: 0, value });
export const none: Case = { case: 0 };
/** `stream-error` of `wasi:io/streams`; nothing here ever fails in another way. */
export const CLOSED: Case = { case: 1, value: { case: 1 } };
const STREAM_ERROR = 'variant{last-operation-failed(own<error>), closed}';

/** `error` of `wasi:io/error`: guests can name it, and never have one. */
export abstract class IoError {}

/** Something to wait for: a time, or what is ready at once. */
export class Pollable {
  /** @param at nanoseconds of the monotonic clock; 0 is ready */
  constructor(
    private readonly clock: HostClock,
    private readonly at = 0n,
  ) {}

  get waitMs(): number {
    if (this.at === 0n) return 0;
    return Math.max(0, Number(this.at - this.clock.now(CLOCK.monotonic)) / 1e6);
  }

  block(): void {
    const { waitMs } = this;
    if (waitMs > 0) wait(this.clock, waitMs);
  }
}

function wait(clock: HostClock, ms: number): void {
  if (ms === Infinity) trap('it waits for the response to a request whose body it has not finished');
  clock.sleep(ms);
}

/** The whole input is there from the start, so nothing ever waits. */
export class InputStream {
  private offset = 0;

  constructor(private readonly bytes: Uint8Array) {}

  read(length: bigint): Case {
    if (length > 0n && this.offset >= this.bytes.length) return CLOSED;
    const count = Number(length < PIECE_BYTES ? length : BigInt(PIECE_BYTES));
    const piece = this.bytes.subarray(this.offset, this.offset + count);
    this.offset += piece.length;
    return ok(piece);
  }
}

/** Takes everything at once; what it writes to ends the run when it is full. */
export class OutputStream {
  constructor(private readonly sink: (bytes: Uint8Array) => void) {}

  write(bytes: Uint8Array): Case {
    this.sink(bytes);
    return ok();
  }
}

const text = (parameters: string, result: string): string => `(${parameters}) -> ${result}`;
const withError = (result: string): string => `result<${result}, ${STREAM_ERROR}>`;

/** `wasi:io`: streams, what to wait for, and errors. */
export function ioInterfaces(clock: HostClock): [string, HostInterface][] {
  return [
    ['wasi:io/error', { resources: new Map([['error', IoError]]), functions: new Map() }],
    ['wasi:io/poll', { resources: new Map([['pollable', Pollable]]), functions: new Map(pollFunctions(clock)) }],
    [
      'wasi:io/streams',
      {
        resources: new Map<string, abstract new (...args: never[]) => object>([
          ['input-stream', InputStream],
          ['output-stream', OutputStream],
        ]),
        functions: new Map([...inputFunctions(clock), ...outputFunctions(clock)]),
      },
    ],
  ];
}

type Entries = [string, HostFunctionCode][];

const pollFunctions = (clock: HostClock): Entries => [
  ['[method]pollable.ready', { type: '(borrow<pollable>) -> bool', call: (self: Pollable) => self.waitMs === 0 }],
  ['[method]pollable.block', { type: '(borrow<pollable>)', call: (self: Pollable) => self.block() }],
  [
    'poll',
    {
      type: '(list<borrow<pollable>>) -> list<u32>',
      call: (pollables: Pollable[]) => {
        if (pollables.length === 0) trap('poll got an empty list');
        if (pollables.length > MOST_POLLABLES) trap(`poll got more than ${MOST_POLLABLES} pollables`);
        const waits = pollables.map((pollable) => pollable.waitMs);
        const shortest = Math.min(...waits);
        if (shortest > 0) wait(clock, shortest);
        return [...waits.keys()].filter((index) => waits[index] <= shortest);
      },
    },
  ],
];

function inputFunctions(clock: HostClock): Entries {
  const read = (self: InputStream, length: bigint): Case => self.read(length);
  const skip = (self: InputStream, length: bigint): Case => {
    const answer = self.read(length);
    return answer.case === 0 ? ok(BigInt((answer.value as Uint8Array).length)) : answer;
  };
  const reading = text('borrow<input-stream>, u64', withError('list<u8>'));
  const skipping = text('borrow<input-stream>, u64', withError('u64'));
  return [
    ['[method]input-stream.read', { type: reading, call: read }],
    ['[method]input-stream.blocking-read', { type: reading, call: read }],
    ['[method]input-stream.skip', { type: skipping, call: skip }],
    ['[method]input-stream.blocking-skip', { type: skipping, call: skip }],
    [
      '[method]input-stream.subscribe',
      { type: text('borrow<input-stream>', 'own<pollable>'), call: () => new Pollable(clock) },
    ],
  ];
}

function outputFunctions(clock: HostClock): Entries {
  const write = (self: OutputStream, bytes: Uint8Array): Case => self.write(bytes);
  const flush = (): Case => ok();
  const zeroes = (self: OutputStream, length: bigint): Case => {
    if (length > PIECE_BYTES) trap('more zeroes were written than check-write permits');
    return self.write(new Uint8Array(Number(length)));
  };
  const splice = (self: OutputStream, source: InputStream, length: bigint): Case => {
    const answer = source.read(length);
    if (answer.case !== 0) return answer;
    const bytes = answer.value as Uint8Array;
    self.write(bytes);
    return ok(BigInt(bytes.length));
  };
  const unit = withError('_');
  const writing = text('borrow<output-stream>, list<u8>', unit);
  const flushing = text('borrow<output-stream>', unit);
  const zeroing = text('borrow<output-stream>, u64', unit);
  const splicing = text('borrow<output-stream>, borrow<input-stream>, u64', withError('u64'));
  return [
    [
      '[method]output-stream.check-write',
      { type: text('borrow<output-stream>', withError('u64')), call: () => ok(BigInt(PIECE_BYTES)) },
    ],
    ['[method]output-stream.write', { type: writing, call: write }],
    ['[method]output-stream.blocking-write-and-flush', { type: writing, call: write }],
    ['[method]output-stream.flush', { type: flushing, call: flush }],
    ['[method]output-stream.blocking-flush', { type: flushing, call: flush }],
    ['[method]output-stream.write-zeroes', { type: zeroing, call: zeroes }],
    ['[method]output-stream.blocking-write-zeroes-and-flush', { type: zeroing, call: zeroes }],
    ['[method]output-stream.splice', { type: splicing, call: splice }],
    ['[method]output-stream.blocking-splice', { type: splicing, call: splice }],
    [
      '[method]output-stream.subscribe',
      { type: text('borrow<output-stream>', 'own<pollable>'), call: () => new Pollable(clock) },
    ],
  ];
}
