import type { HostInterfaceName } from '../../../common/component/component-imports.js';
import { trap } from '../component/faults.js';
import { type HostFunctionCode, type HostInterface, HostInterfaces } from '../component/host-interface.js';
import type { Case, Value } from '../component/value-type.js';
import { GrowingBytes } from '../growing-bytes.js';
import { notPermitted } from '../host-calls.js';
import { HostClock } from '../host-clock.js';
import { RunEnded } from '../run-ended.js';
import { StandardError } from '../standard-error.js';
import type { WasiRun } from '../wasi-host.js';
import { httpInterfaces } from './http.js';
import { CLOCK, InputStream, ioInterfaces, none, OutputStream, Pollable } from './streams.js';

/**
 * What a component sees of the world: WASI 0.2 with three standard streams, environment variables, clocks, randomness, an
 * empty filesystem, requests to the web, and the host calls that its run allows. Each run has an object of its own, so
 * nothing of a run outlives it.
 *
 * Source: https://github.com/WebAssembly/WASI/tree/main/wasip2
 */
export class Wasi2Host {
  readonly stderr: StandardError;
  readonly interfaces: HostInterfaces;
  private readonly output: GrowingBytes;

  constructor(private readonly run: WasiRun) {
    const { limits, onLog, timeoutMs } = run;
    this.output = new GrowingBytes(limits.maxOutputBytes);
    this.stderr = new StandardError(limits.maxStderrBytes, limits.maxStderrLines, onLog);
    const clock = new HostClock(timeoutMs, limits.clockResolutionUs);
    this.interfaces = new HostInterfaces(
      new Map<HostInterfaceName | string, HostInterface>([
        ...ioInterfaces(clock),
        ...this.cli(),
        ...clocks(clock),
        ...randomness(),
        ...emptyFilesystem(),
        ...httpInterfaces({ clock, calls: run.calls, explain: this.explain }),
        ['zerostate:agent/host', functions({ call: { type: '(string, string) -> string', call: this.hostCall } })],
      ]),
    );
  }

  /** Standard output so far. */
  get stdout(): Uint8Array {
    return this.output.bytes;
  }

  /** Writes to standard output. @throws RunEnded when that is full */
  write(bytes: Uint8Array): void {
    if (bytes.length > this.output.room) {
      throw new RunEnded({ end: 'output_too_large', limitBytes: this.run.limits.maxOutputBytes });
    }
    this.output.write(bytes);
  }

  private cli(): [string, HostInterface][] {
    const { environment, input } = this.run;
    const stdin = new InputStream(input);
    const stdout = new OutputStream((bytes) => this.write(bytes));
    const stderr = new OutputStream((bytes) => this.stderr.write(bytes));
    const exit = (code: number): never => {
      throw new RunEnded({ end: 'exit', code });
    };
    const terminal = (name: string, resource: string): HostInterface =>
      functions({ [name]: { type: `() -> option<own<${resource}>>`, call: () => none } });
    return [
      [
        'wasi:cli/environment',
        functions({
          'get-environment': { type: '() -> list<tuple<string, string>>', call: () => Object.entries(environment) },
          'get-arguments': { type: '() -> list<string>', call: () => ['agent'] },
          'initial-cwd': { type: '() -> option<string>', call: () => none },
        }),
      ],
      [
        'wasi:cli/exit',
        functions({
          exit: { type: '(result<_, _>)', call: (status: Case) => exit(status.case) },
          'exit-with-code': { type: '(u8)', call: exit },
        }),
      ],
      ['wasi:cli/stdin', functions({ 'get-stdin': { type: '() -> own<input-stream>', call: () => stdin } })],
      ['wasi:cli/stdout', functions({ 'get-stdout': { type: '() -> own<output-stream>', call: () => stdout } })],
      ['wasi:cli/stderr', functions({ 'get-stderr': { type: '() -> own<output-stream>', call: () => stderr } })],
      ['wasi:cli/terminal-input', { resources: new Map([['terminal-input', TerminalInput]]), functions: new Map() }],
      ['wasi:cli/terminal-output', { resources: new Map([['terminal-output', TerminalOutput]]), functions: new Map() }],
      ['wasi:cli/terminal-stdin', terminal('get-terminal-stdin', 'terminal-input')],
      ['wasi:cli/terminal-stdout', terminal('get-terminal-stdout', 'terminal-output')],
      ['wasi:cli/terminal-stderr', terminal('get-terminal-stderr', 'terminal-output')],
    ];
  }

  private readonly explain = (line: string): void => this.stderr.write(new TextEncoder().encode(`${line}\n`));

  private readonly hostCall = (method: string, request: string): string => {
    const answer = this.run.calls?.call(method, new TextEncoder().encode(request)) ?? notPermitted(method);
    return new TextDecoder().decode(answer);
  };
}

/** Resources that components can name and never get. */
abstract class TerminalInput {}
abstract class TerminalOutput {}
abstract class Descriptor {}
abstract class DirectoryEntryStream {}

const functions = (codes: Record<string, HostFunctionCode>): HostInterface => ({
  resources: new Map(),
  functions: new Map(Object.entries(codes)),
});

const NANOSECONDS_PER_S = 1_000_000_000n;
const LAST_INSTANT = 2n ** 64n - 1n;

function clocks(clock: HostClock): [string, HostInterface][] {
  const datetime = (nanoseconds: bigint): Value[] => [
    nanoseconds / NANOSECONDS_PER_S,
    Number(nanoseconds % NANOSECONDS_PER_S),
  ];
  const DATETIME = '() -> record{seconds: u64, nanoseconds: u32}';
  const monotonic = (): bigint => clock.now(CLOCK.monotonic);
  const until = (instant: bigint): Pollable => new Pollable(clock, instant < LAST_INSTANT ? instant : LAST_INSTANT);
  return [
    [
      'wasi:clocks/monotonic-clock',
      functions({
        now: { type: '() -> u64', call: monotonic },
        resolution: { type: '() -> u64', call: () => clock.resolution(CLOCK.monotonic) },
        'subscribe-instant': { type: '(u64) -> own<pollable>', call: until },
        'subscribe-duration': {
          type: '(u64) -> own<pollable>',
          call: (duration: bigint) => until(monotonic() + duration),
        },
      }),
    ],
    [
      'wasi:clocks/wall-clock',
      functions({
        now: { type: DATETIME, call: () => datetime(clock.now(CLOCK.wall)) },
        resolution: { type: DATETIME, call: () => datetime(clock.resolution(CLOCK.wall)) },
      }),
    ],
  ];
}

const MOST_RANDOM_BYTES = 1024 * 1024;
/** The most that `crypto.getRandomValues` fills at once. */
const RANDOM_PIECE_BYTES = 65_536;

function randomness(): [string, HostInterface][] {
  const bytes = (length: bigint): Uint8Array => {
    if (length > MOST_RANDOM_BYTES) trap(`more than ${MOST_RANDOM_BYTES} random bytes were asked for at once`);
    const random = new Uint8Array(Number(length));
    for (let at = 0; at < random.length; at += RANDOM_PIECE_BYTES) {
      crypto.getRandomValues(random.subarray(at, at + RANDOM_PIECE_BYTES));
    }
    return random;
  };
  const words = (count: number): bigint[] => [...crypto.getRandomValues(new BigUint64Array(count))];
  const word = (): bigint => words(1)[0];
  return [
    [
      'wasi:random/random',
      functions({
        'get-random-bytes': { type: '(u64) -> list<u8>', call: bytes },
        'get-random-u64': { type: '() -> u64', call: word },
      }),
    ],
    [
      'wasi:random/insecure',
      functions({
        'get-insecure-random-bytes': { type: '(u64) -> list<u8>', call: bytes },
        'get-insecure-random-u64': { type: '() -> u64', call: word },
      }),
    ],
    [
      'wasi:random/insecure-seed',
      functions({ 'insecure-seed': { type: '() -> tuple<u64, u64>', call: () => words(2) } }),
    ],
  ];
}

/** No directory is open, so no component ever has a descriptor to call the other functions with. */
const emptyFilesystem = (): [string, HostInterface][] => [
  [
    'wasi:filesystem/preopens',
    functions({ 'get-directories': { type: '() -> list<tuple<own<descriptor>, string>>', call: () => [] } }),
  ],
  [
    'wasi:filesystem/types',
    {
      resources: new Map<string, abstract new (...args: never[]) => object>([
        ['descriptor', Descriptor],
        ['directory-entry-stream', DirectoryEntryStream],
      ]),
      functions: new Map(),
    },
  ],
];
