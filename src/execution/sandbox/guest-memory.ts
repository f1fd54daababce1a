import type { LinearMemory } from './engine.js';
import { ERRNO, HostError } from './errno.js';

/** As many as POSIX's usual IOV_MAX. */
const MAX_BUFFERS = 1024;
const IOVEC_BYTES = 8;

/**
 * Bounds-checked access to an agent's linear memory. Pointers and lengths arrive as signed 32-bit numbers and mean
 * unsigned ones. The memory may grow between two host calls, which replaces its buffer, so no view outlives a call.
 *
 * Every method throws HostError `EFAULT` for what is not inside the memory.
 */
export class GuestMemory {
  private memory?: LinearMemory;
  private view = new DataView(new ArrayBuffer(0));

  /** Until then (in the module's start function) every access is a fault. */
  attach(memory: LinearMemory): void {
    this.memory = memory;
  }

  get byteLength(): number {
    return this.memory?.buffer.byteLength ?? 0;
  }

  /** The bytes themselves, not a copy; valid until the agent runs again. */
  bytes(pointer: number, length: number): Uint8Array {
    const start = pointer >>> 0;
    const size = length >>> 0;
    const { buffer } = this.current();
    if (start + size > buffer.byteLength) throw new HostError(ERRNO.fault);
    return new Uint8Array(buffer, start, size);
  }

  /**
   * The buffers of a `ciovec_array` or `iovec_array`: pairs of address and length.
   * @throws HostError `EINVAL` when there are more than one call takes
   */
  buffers(pointer: number, count: number): Uint8Array[] {
    const total = count >>> 0;
    if (total > MAX_BUFFERS) throw new HostError(ERRNO.inval);
    return Array.from({ length: total }, (_, index) => {
      const entry = (pointer >>> 0) + index * IOVEC_BYTES;
      return this.bytes(this.u32(entry), this.u32(entry + 4));
    });
  }

  u16(pointer: number): number {
    return this.at(pointer, 2).getUint16(pointer >>> 0, true);
  }

  u32(pointer: number): number {
    return this.at(pointer, 4).getUint32(pointer >>> 0, true);
  }

  u64(pointer: number): bigint {
    return this.at(pointer, 8).getBigUint64(pointer >>> 0, true);
  }

  setU8(pointer: number, value: number): void {
    this.at(pointer, 1).setUint8(pointer >>> 0, value);
  }

  setU16(pointer: number, value: number): void {
    this.at(pointer, 2).setUint16(pointer >>> 0, value, true);
  }

  setU32(pointer: number, value: number): void {
    this.at(pointer, 4).setUint32(pointer >>> 0, value, true);
  }

  setU64(pointer: number, value: bigint): void {
    this.at(pointer, 8).setBigUint64(pointer >>> 0, value, true);
  }

  private at(pointer: number, size: number): DataView {
    const view = this.current();
    if ((pointer >>> 0) + size > view.byteLength) throw new HostError(ERRNO.fault);
    return view;
  }

  private current(): DataView {
    if (!this.memory) throw new HostError(ERRNO.fault);
    if (this.view.buffer !== this.memory.buffer) this.view = new DataView(this.memory.buffer);
    return this.view;
  }
}
