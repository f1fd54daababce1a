import { ERRNO, HostError } from './errno.js';

/** A standard stream and what the agent may do with it. */
export interface Descriptor {
  readonly stream: 'stdin' | 'stdout' | 'stderr';
  rights: bigint;
}

/** Rights of WASI preview 1 that mean something for a standard stream. */
export const RIGHT = { read: 1n << 1n, write: 1n << 6n, fileStatus: 1n << 21n, poll: 1n << 27n } as const;

/**
 * The open descriptors of one run: at first the three standard streams. There are no others to be had, only fewer:
 * nothing opens files or sockets.
 */
export class Descriptors {
  private readonly open = new Map<number, Descriptor>([
    [0, { stream: 'stdin', rights: RIGHT.read | RIGHT.fileStatus | RIGHT.poll }],
    [1, { stream: 'stdout', rights: RIGHT.write | RIGHT.fileStatus | RIGHT.poll }],
    [2, { stream: 'stderr', rights: RIGHT.write | RIGHT.fileStatus | RIGHT.poll }],
  ]);

  /** @throws HostError `EBADF` when it is not open, `ENOTCAPABLE` when it lacks `right` */
  get(fd: number, right = 0n): Descriptor {
    const descriptor = this.open.get(fd);
    if (!descriptor) throw new HostError(ERRNO.badf);
    if ((descriptor.rights & right) !== right) throw new HostError(ERRNO.notcapable);
    return descriptor;
  }

  close(fd: number): void {
    this.get(fd);
    this.open.delete(fd);
  }

  /** `to`, which must be open, becomes what `from` was; `from` is closed. */
  renumber(from: number, to: number): void {
    const descriptor = this.get(from);
    this.get(to);
    this.open.delete(from);
    this.open.set(to, descriptor);
  }
}
