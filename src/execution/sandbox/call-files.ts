import type { WasiFunctionName } from '../../common/host-functions.js';
import { ERRNO, HostError } from './errno.js';
import { RIGHT } from './descriptors.js';
import type { GuestMemory } from './guest-memory.js';
import { type HostCalls, requestTooLarge } from './host-calls.js';
import type { HostFunction, WasiFunctions } from './host-function.js';

/** Where the methods are, as files: `/zerostate/http.fetch`. */
const DIRECTORY = '/zerostate';
/** The first descriptor after the standard streams: C libraries look for directories from here on. */
const DIRECTORY_FD = 3;
/** Calls that can be open at the same time. */
const MAX_OPEN = 16;
/** `filetype` of WASI preview 1. */
const FILE_TYPE = { characterDevice: 2, directory: 3 };
const FDSTAT_BYTES = 24;
const FILESTAT_BYTES = 64;
const DIRECTORY_RIGHTS = (1n << 13n) | (1n << 18n) | RIGHT.fileStatus;
const CALL_RIGHTS = RIGHT.read | RIGHT.write | RIGHT.fileStatus;

/** A call in the making: the request until the first read, then the answer. */
interface OpenCall {
  name: string;
  request: Uint8Array[];
  requestBytes: number;
  answer?: Uint8Array;
  offset: number;
}

/**
 * The file face of host calls, for programs without bindings: open `/zerostate/<method>` for reading and writing, write
 * the request, read the answer to its end, close. Each opening is one call. Only methods that the run may call exist.
 */
export class CallFiles {
  private readonly open = new Map<number, OpenCall>();

  constructor(
    private readonly memory: GuestMemory,
    private readonly calls: HostCalls,
  ) {}

  /** Functions that serve the directory and the calls themselves. @param streams the functions for all other descriptors */
  functions(streams: WasiFunctions): WasiFunctions {
    const own: Partial<WasiFunctions> = {
      fd_fdstat_get: (fd, result) => this.putDescriptorStatus(fd, result),
      fd_filestat_get: (fd, result) =>
        this.putStatus(result, fd === DIRECTORY_FD ? FILE_TYPE.directory : FILE_TYPE.characterDevice),
      fd_fdstat_set_flags: (_fd, flags) => (flags === 0 ? ERRNO.success : ERRNO.notsup),
      fd_write: (fd, buffers, count, result) =>
        this.memory.setU32(result, this.write(this.callOf(fd), this.memory.buffers(buffers, count))),
      fd_read: (fd, buffers, count, result) =>
        this.memory.setU32(result, this.read(this.callOf(fd), this.memory.buffers(buffers, count))),
      fd_seek: () => ERRNO.spipe,
      fd_tell: () => ERRNO.spipe,
      fd_close: (fd) => this.close(fd),
    };
    const routed = Object.entries(own).map(([name, call]) => {
      const other = streams[name as WasiFunctionName];
      const route: HostFunction = (fd, ...rest) => (this.isOpen(fd) ? call(fd, ...rest) : other(fd, ...rest));
      return [name, route] as const;
    });
    return {
      ...streams,
      ...Object.fromEntries(routed),
      fd_prestat_get: (fd, result) => {
        if (fd !== DIRECTORY_FD) return ERRNO.badf;
        this.memory.setU32(result, 0);
        this.memory.setU32((result >>> 0) + 4, DIRECTORY.length);
      },
      fd_prestat_dir_name: (fd, pointer, length) => {
        if (fd !== DIRECTORY_FD) return ERRNO.badf;
        if (length >>> 0 < DIRECTORY.length) return ERRNO.inval;
        this.memory.bytes(pointer, DIRECTORY.length).set(new TextEncoder().encode(DIRECTORY));
      },
      path_open: (...args) => {
        const [fd, , path, length] = args;
        if (fd !== DIRECTORY_FD) return streams.path_open(...args);
        this.memory.setU32(args[8], this.openCall(this.nameAt(path, length)));
      },
      path_filestat_get: (...args) => {
        const [fd, , path, length, result] = args;
        if (fd !== DIRECTORY_FD) return streams.path_filestat_get(...args);
        const name = this.nameAt(path, length);
        if (name !== '.' && !this.calls.methods.includes(name)) return ERRNO.noent;
        this.putStatus(result, name === '.' ? FILE_TYPE.directory : FILE_TYPE.characterDevice);
      },
    };
  }

  private isOpen(fd: number): boolean {
    return fd === DIRECTORY_FD || this.open.has(fd);
  }

  private nameAt(path: number, length: number): string {
    return new TextDecoder().decode(this.memory.bytes(path, length));
  }

  private openCall(name: string): number {
    if (!this.calls.methods.includes(name)) throw new HostError(ERRNO.noent);
    if (this.open.size === MAX_OPEN) throw new HostError(ERRNO.mfile);
    let fd = DIRECTORY_FD + 1;
    while (this.open.has(fd)) fd++;
    this.open.set(fd, { name, request: [], requestBytes: 0, offset: 0 });
    return fd;
  }

  /** @throws HostError `EISDIR` for the directory */
  private callOf(fd: number): OpenCall {
    const call = this.open.get(fd);
    if (!call) throw new HostError(ERRNO.isdir);
    return call;
  }

  /** Bytes beyond the longest request are counted and not kept: the call is then refused. */
  private write(call: OpenCall, pieces: Uint8Array[]): number {
    if (call.answer) throw new HostError(ERRNO.inval);
    let written = 0;
    for (const piece of pieces) {
      call.requestBytes += piece.length;
      if (call.requestBytes <= this.calls.maxRequestBytes) call.request.push(piece.slice());
      written += piece.length;
    }
    return written;
  }

  private read(call: OpenCall, buffers: Uint8Array[]): number {
    call.answer ??= this.perform(call);
    const start = call.offset;
    for (const buffer of buffers) {
      const piece = call.answer.subarray(call.offset, call.offset + buffer.length);
      buffer.set(piece);
      call.offset += piece.length;
    }
    return call.offset - start;
  }

  private perform({ name, request, requestBytes }: OpenCall): Uint8Array {
    const { maxRequestBytes } = this.calls;
    if (requestBytes > maxRequestBytes) return requestTooLarge(maxRequestBytes);
    const whole = new Uint8Array(requestBytes);
    let offset = 0;
    for (const piece of request) {
      whole.set(piece, offset);
      offset += piece.length;
    }
    return this.calls.call(name, whole);
  }

  private close(fd: number): void {
    if (fd === DIRECTORY_FD) throw new HostError(ERRNO.notsup);
    this.open.delete(fd);
  }

  private putDescriptorStatus(fd: number, result: number): void {
    const pointer = result >>> 0;
    const isDirectory = fd === DIRECTORY_FD;
    this.memory.bytes(pointer, FDSTAT_BYTES).fill(0);
    this.memory.setU8(pointer, isDirectory ? FILE_TYPE.directory : FILE_TYPE.characterDevice);
    this.memory.setU64(pointer + 8, isDirectory ? DIRECTORY_RIGHTS : CALL_RIGHTS);
    this.memory.setU64(pointer + 16, isDirectory ? CALL_RIGHTS : 0n);
  }

  private putStatus(result: number, type: number): void {
    const pointer = result >>> 0;
    this.memory.bytes(pointer, FILESTAT_BYTES).fill(0);
    this.memory.setU8(pointer + 16, type);
  }
}
