import type { FileHandle } from 'node:fs/promises';
import type { MissingWall } from '../common/walls.js';
import { confine, type Confinement } from '../confinement/index.js';
import { CheckingProcess } from './checking-process.js';
import type { CheckOutcome, ModuleCheck } from './module-check.js';
import type { ModuleLimits } from './wasm/limits.js';

/** The checking process and everything it imports. */
const SCRIPTS = [
  './check/runner.js',
  './check/component.js',
  './check/engine.js',
  './check/entry-probe.js',
  './check/exchange.js',
  './check/warm-up.js',
  './check/wasm-tools.js',
  './check/wasm-tools.wasm',
  './wasm/byte-reader.js',
  './wasm/component-walker.js',
  './wasm/constant-expression.js',
  './wasm/custom-sections.js',
  './wasm/nesting.js',
  './wasm/refusal.js',
  './wasm/section-walker.js',
  './wasm/sections.js',
  './wasm/types.js',
  './wasm/walked-module.js',
  '../common/component/component-imports.js',
  '../common/component/component-reader.js',
  '../common/component/decode-types.js',
  '../common/component/decode.js',
  '../common/component/definitions.js',
  '../common/component/header.js',
  '../common/printable.js',
].map((path) => new URL(path, import.meta.url));

const HEAP_MB = 256;
const MEMORY_BYTES = 384_000_000;
/** A larger module leaves too much in its process for another one, bytes. */
const LARGEST_TO_GO_ON = 4 * 1024 * 1024;
/** Their total processor time stays far below the limit of a process. */
const MOST_CHECKS = 50;

/** Processes that wait for the next module of their owner. */
const MOST_WARM = 2;

/**
 * Checks modules in confined child processes. Starting a process takes longer than most checks, so a fresh one is
 * always ready. After a good module, a process continues with the next module of its owner; no process serves two
 * owners. A component, and a module that is
 * refused, large or fatal, ends its process.
 */
export class ConfinedCheck implements ModuleCheck {
  private readonly idle: CheckingProcess[] = [];
  private released = false;

  private constructor(
    private readonly confinement: Confinement,
    private readonly timeoutMs: number,
  ) {}

  /**
   * @param timeoutMs wall time of one check
   * @param cores how many of them the engine may keep busy meanwhile
   * @throws AppError `internal` `CONFINEMENT_FAILED`
   */
  static async prepare(timeoutMs: number, cores: number): Promise<ConfinedCheck> {
    // A second line behind the deadline, for a server too busy to keep it.
    const cpuSeconds = (Math.ceil(timeoutMs / 1000) + 1) * cores;
    const confinement = await confine({ scripts: SCRIPTS, heapMb: HEAP_MB, memoryBytes: MEMORY_BYTES, cpuSeconds });
    const check = new ConfinedCheck(confinement, timeoutMs);
    check.startSpare();
    return check;
  }

  get missing(): readonly MissingWall[] {
    return this.confinement.missing;
  }

  async run(binary: FileHandle, size: number, limits: ModuleLimits, owner: string): Promise<CheckOutcome> {
    const process = this.take(owner) ?? this.start();
    process.owner = owner;
    let goesOn = false;
    try {
      const outcome = await process.check(binary, size, limits, this.timeoutMs);
      const good = outcome.end === 'answered' && outcome.answer.refusal === null && !outcome.answer.module.component;
      goesOn = good && size <= LARGEST_TO_GO_ON && process.checks < MOST_CHECKS && !this.released;
      return outcome;
    } finally {
      if (goesOn) this.keep(process);
      else process.kill();
      // After a check rather than during one, which it would slow down.
      this.startSpare();
    }
  }

  async ping(): Promise<void> {}

  async release(): Promise<void> {
    this.released = true;
    const idle = this.idle.splice(0);
    for (const process of idle) process.kill();
    await Promise.all(idle.map((process) => process.ended));
    await this.confinement.release();
  }

  /** The warm process of this owner, or a fresh one. */
  private take(owner: string): CheckingProcess | undefined {
    const place = [owner, undefined].map((whose) => this.idle.findIndex((process) => process.owner === whose));
    const found = place.find((index) => index >= 0);
    return found === undefined ? undefined : this.idle.splice(found, 1)[0];
  }

  /** The process that has waited longest for its owner gives way. */
  private keep(process: CheckingProcess): void {
    this.idle.push(process);
    const warm = this.idle.filter(({ owner }) => owner !== undefined);
    if (warm.length > MOST_WARM) {
      this.idle.splice(this.idle.indexOf(warm[0]), 1);
      warm[0].kill();
    }
  }

  private startSpare(): void {
    if (this.released || this.idle.some(({ owner }) => owner === undefined)) return;
    const spare = this.start();
    if (spare.started) this.idle.push(spare);
  }

  private start(): CheckingProcess {
    const process = new CheckingProcess(this.confinement.spawn(['pipe', 'pipe', 'pipe']));
    void process.ended.then(() => {
      const place = this.idle.indexOf(process);
      if (place >= 0) this.idle.splice(place, 1);
    });
    return process;
  }
}
