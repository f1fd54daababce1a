import type { Refusal } from '../wasm/refusal.js';
import type { WalkedModule } from '../wasm/walked-module.js';

/**
 * What server and checking process say to each other. The child finds the module on standard input and its limits (a
 * `ModuleLimits`) as JSON on descriptor 3, and answers one line of JSON on standard output.
 */
export const LIMITS_DESCRIPTOR = 3;

export interface CheckAnswer {
  /** As far as it could be read. */
  module: WalkedModule;
  refusal: Refusal | null;
}
