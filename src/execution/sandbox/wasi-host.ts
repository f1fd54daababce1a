import type { HOST_FUNCTIONS } from '../../common/host-functions.js';
import type { RunLimits } from '../run.js';
import { CallFiles } from './call-files.js';
import { Descriptors, RIGHT, type Descriptor } from './descriptors.js';
import { ERRNO, HostError, type Errno } from './errno.js';
import { GrowingBytes } from './growing-bytes.js';
import { GuestMemory } from './guest-memory.js';
import { type HostCalls, notPermitted } from './host-calls.js';
import { HostClock } from './host-clock.js';
import type { HostFunction, WasiFunctions } from './host-function.js';
import { pollOneoff, type PollHost } from './poll.js';
import { RunEnded, type HostEnd } from './run-ended.js';
import { StandardError } from './standard-error.js';

/**
 * What an agent sees of the world: a WASI preview 1 host with three standard streams, environment variables, clocks,
 * randomness and the host calls that its run allows, and neither files nor network. One object per run, so that nothing of
 * a run outlives it.
 *
 * Functions about files and sockets exist, because compilers import them, and answer what POSIX answers on a pipe.
 * Source: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md
 */
export class WasiHost {
  readonly memory = new GuestMemory();
  readonly stderr: StandardError;
  /** The first way in which a host call ended the run. */
  ended?: RunEnded;
  /** Of the functions below, by the agent. */
  calls = 0;

  private readonly descriptors = new Descriptors();
  private readonly clock: HostClock;
  private readonly args: Uint8Array[];
  private readonly environment: Uint8Array[];
  private readonly output: GrowingBytes;
  private readonly input: Uint8Array;
  private readonly limits: RunLimits;
  private readonly hostCalls: HostCalls | undefined;
  private inputOffset = 0;
  /** What is left of the answer to the last host call. */
  private answer: Uint8Array = new Uint8Array(0);

  constructor({ input, environment, timeoutMs, limits, onLog, calls }: WasiRun, args: readonly string[] = ['agent']) {
    this.input = input;
    this.limits = limits;
    this.hostCalls = calls;
    this.clock = new HostClock(timeoutMs, limits.clockResolutionUs);
    this.args = args.map(cString);
    this.environment = Object.entries(environment).map(([name, value]) => cString(`${name}=${value}`));
    this.output = new GrowingBytes(limits.maxOutputBytes);
    this.stderr = new StandardError(limits.maxStderrBytes, limits.maxStderrLines, onLog);
  }

  /** The import object. Without prototypes: a module may ask for functions named `constructor` or `__proto__`. */
  imports(): object {
    const guarded = (functions: Record<string, HostFunction>, fault = (errno: Errno): number => errno): object =>
      Object.assign(
        Object.create(null),
        Object.fromEntries(Object.entries(functions).map(([name, call]) => [name, this.guard(call, fault)])),
      );
    const { hostCalls } = this;
    const wasi = hostCalls ? new CallFiles(this.memory, hostCalls).functions(this.wasi) : this.wasi;
    const provided = {
      wasi_snapshot_preview1: guarded(wasi),
      env: guarded(this.env),
      zerostate: guarded(this.zerostate, (errno) => -errno),
    };
    return Object.assign(Object.create(null), provided satisfies Record<keyof typeof HOST_FUNCTIONS, object>);
  }

  /** Standard output so far. */
  get stdout(): Uint8Array {
    return this.output.bytes;
  }

  private readonly wasi: WasiFunctions = {
    args_sizes_get: (count, size) => this.putSizes(count, size, this.args),
    args_get: (pointers, strings) => this.putStrings(pointers, strings, this.args),
    environ_sizes_get: (count, size) => this.putSizes(count, size, this.environment),
    environ_get: (pointers, strings) => this.putStrings(pointers, strings, this.environment),

    clock_res_get: (id, result) => this.memory.setU64(result, this.clock.resolution(id)),
    clock_time_get: (id, _precision: bigint, result) => this.memory.setU64(result, this.clock.now(id)),
    random_get: (pointer, length) => fillRandom(this.memory.bytes(pointer, length)),
    sched_yield: () => ERRNO.success,
    poll_oneoff: (input, output, count, result) => pollOneoff(this.pollHost(), { input, output, count, result }),
    proc_exit: (code) => this.end({ end: 'exit', code: code >>> 0 }),
    proc_raise: () => ERRNO.nosys,

    fd_read: (fd, buffers, count, result) => {
      this.descriptors.get(fd, RIGHT.read);
      this.memory.setU32(result, this.read(this.memory.buffers(buffers, count)));
    },
    fd_write: (fd, buffers, count, result) => {
      const { stream } = this.descriptors.get(fd, RIGHT.write);
      this.memory.setU32(result, this.write(stream, this.memory.buffers(buffers, count)));
    },
    fd_close: (fd) => this.descriptors.close(fd),
    fd_renumber: (from, to) => this.descriptors.renumber(from, to),
    fd_fdstat_get: (fd, result) => this.putDescriptorStatus(result, this.descriptors.get(fd)),
    fd_fdstat_set_rights: (fd, base: bigint, inheriting: bigint) =>
      this.reduceRights(this.descriptors.get(fd), BigInt.asUintN(64, base), BigInt.asUintN(64, inheriting)),
    fd_fdstat_set_flags: (fd, flags) => (this.descriptors.get(fd), flags === 0 ? ERRNO.success : ERRNO.notsup),
    fd_filestat_get: (fd, result) => {
      this.descriptors.get(fd, RIGHT.fileStatus);
      this.memory.bytes(result, 64).fill(0);
    },
    fd_prestat_get: () => ERRNO.badf,
    fd_prestat_dir_name: () => ERRNO.badf,

    fd_seek: this.onStream(ERRNO.spipe),
    fd_tell: this.onStream(ERRNO.spipe),
    fd_pread: this.onStream(ERRNO.spipe),
    fd_pwrite: this.onStream(ERRNO.spipe),
    fd_advise: this.onStream(ERRNO.spipe),
    fd_allocate: this.onStream(ERRNO.spipe),
    fd_sync: this.onStream(ERRNO.inval),
    fd_datasync: this.onStream(ERRNO.inval),
    fd_filestat_set_size: this.onStream(ERRNO.inval),
    fd_filestat_set_times: this.onStream(ERRNO.notcapable),
    fd_readdir: this.onStream(ERRNO.notdir),
    path_create_directory: this.onStream(ERRNO.notdir),
    path_filestat_get: this.onStream(ERRNO.notdir),
    path_filestat_set_times: this.onStream(ERRNO.notdir),
    path_link: this.onStream(ERRNO.notdir),
    path_open: this.onStream(ERRNO.notdir),
    path_readlink: this.onStream(ERRNO.notdir),
    path_remove_directory: this.onStream(ERRNO.notdir),
    path_rename: this.onStream(ERRNO.notdir),
    path_symlink: (_target, _length, fd) => this.onStream(ERRNO.notdir)(fd),
    path_unlink_file: this.onStream(ERRNO.notdir),
    sock_accept: this.onStream(ERRNO.notsock),
    sock_recv: this.onStream(ERRNO.notsock),
    sock_send: this.onStream(ERRNO.notsock),
    sock_shutdown: this.onStream(ERRNO.notsock),
  };

  private readonly env: Record<keyof (typeof HOST_FUNCTIONS)['env'], HostFunction> = {
    abort: (message, file, line, column) => {
      const text = `abort: ${this.utf16(message)} in ${this.utf16(file)}(${line}:${column})\n`;
      this.stderr.write(new TextEncoder().encode(text));
      this.end({ end: 'abort' });
    },
    emscripten_notify_memory_growth: () => undefined,
  };

  private readonly zerostate: Record<keyof (typeof HOST_FUNCTIONS)['zerostate'], HostFunction> = {
    call: (name, nameLength, request, requestLength) => {
      const method = new TextDecoder().decode(this.memory.bytes(name, nameLength));
      // A copy: the memory may not be looked at while the server answers.
      const bytes = this.memory.bytes(request, requestLength).slice();
      this.answer = this.hostCalls?.call(method, bytes) ?? notPermitted(method);
      return this.answer.length;
    },
    read: (pointer, length) => {
      const buffer = this.memory.bytes(pointer, length);
      const piece = this.answer.subarray(0, buffer.length);
      buffer.set(piece);
      this.answer = this.answer.subarray(piece.length);
      return piece.length;
    },
  };

  /** Answers the errno of a failed call, 0 for one that returns nothing, and nothing at all once the run has ended. */
  private guard(call: HostFunction, fault: (errno: Errno) => number): HostFunction {
    return (...args) => {
      this.calls++;
      if (this.ended) throw this.ended;
      try {
        return call(...args) ?? ERRNO.success;
      } catch (error) {
        if (error instanceof HostError) return fault(error.errno);
        throw error;
      }
    };
  }

  private end(how: HostEnd): never {
    this.ended = new RunEnded(how);
    throw this.ended;
  }

  /** A call that no standard stream supports: `EBADF` for what is not open, else `errno`. */
  private onStream(errno: Errno): HostFunction {
    return (fd) => {
      this.descriptors.get(fd);
      return errno;
    };
  }

  private read(buffers: Uint8Array[]): number {
    const start = this.inputOffset;
    for (const buffer of buffers) {
      const piece = this.input.subarray(this.inputOffset, this.inputOffset + buffer.length);
      buffer.set(piece);
      this.inputOffset += piece.length;
    }
    return this.inputOffset - start;
  }

  private pollHost(): PollHost {
    const readyBytes = (stream: Descriptor['stream']): number => {
      if (stream === 'stdin') return this.input.length - this.inputOffset;
      return stream === 'stdout' ? this.output.room : this.limits.maxStderrBytes;
    };
    return { memory: this.memory, clock: this.clock, descriptors: this.descriptors, readyBytes };
  }

  private write(stream: Descriptor['stream'], buffers: Uint8Array[]): number {
    const total = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    if (total > MAX_U32) throw new HostError(ERRNO.inval);
    if (stream === 'stderr') {
      for (const buffer of buffers) this.stderr.write(buffer);
      return total;
    }
    if (total > this.output.room) this.end({ end: 'output_too_large', limitBytes: this.limits.maxOutputBytes });
    for (const buffer of buffers) this.output.write(buffer);
    return total;
  }

  private putSizes(count: number, size: number, strings: readonly Uint8Array[]): void {
    this.memory.setU32(count, strings.length);
    this.memory.setU32(
      size,
      strings.reduce((sum, string) => sum + string.length, 0),
    );
  }

  private putStrings(pointers: number, buffer: number, strings: readonly Uint8Array[]): void {
    let at = buffer >>> 0;
    for (const [index, string] of strings.entries()) {
      this.memory.bytes(at, string.length).set(string);
      this.memory.setU32((pointers >>> 0) + index * 4, at);
      at += string.length;
    }
  }

  /** `fdstat`: file type 0 (unknown, which is what a pipe is), no flags, rights. */
  private putDescriptorStatus(result: number, { rights }: Descriptor): void {
    const pointer = result >>> 0;
    this.memory.bytes(pointer, 24).fill(0);
    this.memory.setU64(pointer + 8, rights);
  }

  /** Streams have nothing to inherit rights from them. */
  private reduceRights(descriptor: Descriptor, rights: bigint, inheriting: bigint): void {
    if ((rights & ~descriptor.rights) !== 0n || inheriting !== 0n) throw new HostError(ERRNO.notcapable);
    descriptor.rights = rights;
  }

  /** An AssemblyScript string: UTF-16 whose length in bytes stands in the four bytes before it. */
  private utf16(pointer: number): string {
    try {
      const start = pointer >>> 0;
      const length = Math.min(this.memory.u32(start - 4), MAX_ABORT_TEXT_BYTES);
      return new TextDecoder('utf-16le').decode(this.memory.bytes(start, length));
    } catch {
      return '?';
    }
  }
}

/** What a host needs to know of its run. */
export interface WasiRun {
  /** Standard input. */
  input: Uint8Array;
  environment: Record<string, string>;
  timeoutMs: number;
  limits: RunLimits;
  /** Unset: the agent may call nothing. */
  calls?: HostCalls;
  onLog: (lines: string[]) => void;
}

const MAX_U32 = 0xffff_ffff;
const MAX_ABORT_TEXT_BYTES = 4096;
const MAX_RANDOM_BYTES = 1024 * 1024;
/** Of `crypto.getRandomValues`. */
const RANDOM_PIECE_BYTES = 65_536;

const cString = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`);

function fillRandom(bytes: Uint8Array): void {
  if (bytes.length > MAX_RANDOM_BYTES) throw new HostError(ERRNO.inval);
  for (let at = 0; at < bytes.length; at += RANDOM_PIECE_BYTES) {
    crypto.getRandomValues(bytes.subarray(at, at + RANDOM_PIECE_BYTES));
  }
}
