import type { FileHandle } from 'node:fs/promises';
import type { MissingWall } from '../common/walls.js';
import type { CheckAnswer } from './check/exchange.js';
import type { ModuleLimits } from './wasm/limits.js';

/** How the check of one module ended. The module, not the server, causes the last two. */
export type CheckOutcome =
  | { end: 'answered'; answer: CheckAnswer }
  | { end: 'timed_out'; afterMs: number }
  /** `how` is for the log. */
  | { end: 'crashed'; how: string };

/** PORT: reads hostile modules in confined processes, on this machine or on another one. */
export interface ModuleCheck {
  /** Walls that are missing around the processes that this server starts; empty when it starts none. */
  readonly missing: readonly MissingWall[];

  /**
   * @param binary open for reading
   * @param size its bytes
   * @param owner whose module it is: no process reads modules of two owners
   * @throws AppError `unavailable` `VALIDATOR_UNAVAILABLE` when no process can check it now
   */
  run(binary: FileHandle, size: number, limits: ModuleLimits, owner: string): Promise<CheckOutcome>;

  /** Resolves if modules can be checked now. @throws Error why they cannot */
  ping(): Promise<void>;

  /** No check can run afterwards. */
  release(): Promise<void>;
}
