import { engine, limitMemory, type LinearMemory, PAGE_BYTES } from '../engine.js';
import { exportedTables, type Growing } from '../post-mortem.js';
import { unlinkable } from './faults.js';
import type { PreparedModule } from './prepared.js';

/** Memories of one run: as many as composed components have. */
const MOST_MEMORIES = 8;

/** A core instance that defines a memory. */
export interface MemoryOwner {
  memory: LinearMemory;
  exports: Record<string, unknown>;
  module: PreparedModule;
  tables: Growing[];
}

/**
 * The memories of one run. Each may have an equal share of the limit, so all of them together stay within it. V8 has one
 * limit for all memories of a process, which sinks with every new memory. It must never sink below the size of a memory:
 * V8 then aborts the process when that memory grows.
 */
export class Memories {
  readonly owners: MemoryOwner[] = [];
  /** Bytes that they had when they were instantiated. */
  firstBytes = 0;
  private count = 0;

  /** @param maxPages of all memories together */
  constructor(private readonly maxPages: number) {}

  /** Bytes of all of them now. */
  get bytes(): number {
    return this.owners.reduce((sum, { memory }) => sum + memory.buffer.byteLength, 0);
  }

  /** Makes room for a module that is about to be instantiated. @throws Unlinkable when there is none */
  expect({ memories }: PreparedModule): void {
    this.count += memories;
    if (this.count > MOST_MEMORIES) unlinkable(`it has more than ${MOST_MEMORIES} memories`);
    if (memories === 0 || this.count === 1) return;
    const share = Math.floor(this.maxPages / this.count);
    const isSmall = ({ memory }: MemoryOwner): boolean => memory.buffer.byteLength <= share * PAGE_BYTES;
    if (!this.owners.every(isSmall)) {
      unlinkable(`Out of memory: each of its ${this.count} memories may have ${share} pages, and one has more`);
    }
    limitMemory(share);
  }

  /** @throws Unlinkable when the memory cannot be seen, and so not be metered */
  add(exports: Record<string, unknown>, module: PreparedModule): void {
    const name = engine.Module.exports(module.module).find(({ kind }) => kind === 'memory')?.name;
    const memory = name === undefined ? undefined : (exports[name] as LinearMemory);
    if (!memory) unlinkable('a core module does not export its memory');
    const { buffer } = memory as LinearMemory;
    if ((buffer as unknown) instanceof SharedArrayBuffer) unlinkable('its memory is shared');
    const tables = exportedTables(module.module, exports);
    this.owners.push({ memory: memory as LinearMemory, exports, module, tables });
    this.firstBytes += buffer.byteLength;
  }

  /** Gives the whole limit to the next run. */
  release(): void {
    if (this.count > 1) limitMemory(this.maxPages);
  }
}
