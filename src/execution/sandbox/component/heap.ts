import type { LinearMemory } from '../engine.js';
import { trap } from './faults.js';

/** Signature of `realloc`: old pointer, old size, alignment, new size. */
export type Reallocate = (pointer: number, size: number, align: number, newSize: number) => number;

/** The memory that a canonical function reads and writes, with the guest's own allocator. Every access is checked. */
export class Heap {
  private view?: DataView;

  constructor(
    private readonly memory: LinearMemory | undefined,
    private readonly reallocate: Reallocate | undefined,
  ) {}

  /** A view of the whole memory, in which `size` bytes at `pointer` exist. Valid until the guest runs again. */
  at(pointer: number, size: number): DataView {
    const { buffer } = this.memory ?? trap('a function without memory got a pointer');
    if (pointer + size > buffer.byteLength) trap(`${size} bytes at ${pointer} are outside of the memory`);
    if (this.view?.buffer !== buffer) this.view = new DataView(buffer);
    return this.view;
  }

  /** The bytes themselves, not a copy; valid until the guest runs again. */
  bytes(pointer: number, length: number): Uint8Array {
    return new Uint8Array(this.at(pointer, length).buffer as ArrayBuffer, pointer, length);
  }

  /** Asks the guest for memory, and checks what it answers. @returns the address */
  allocate(align: number, size: number): number {
    if (size > 0xffff_ffff) trap('a value is larger than the memory can be');
    const reallocate = this.reallocate ?? trap('a function without realloc got a value of variable size');
    const pointer = reallocate(0, 0, align, size) >>> 0;
    if (pointer % align !== 0) trap(`realloc returned ${pointer}, which is not a multiple of ${align}`);
    this.at(pointer, size);
    return pointer;
  }
}
