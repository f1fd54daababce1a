import type { ModuleLimits } from '../wasm/limits.js';
import type { Refusal } from '../wasm/refusal.js';
import type { WalkedModule } from '../wasm/walked-module.js';

/**
 * What server and checking process say to each other. The child finds on standard input, for each module: the length of
 * a `CheckRequest` (32 bits, big end first), the request as JSON, and the module. It answers each with a `CheckAnswer`, a
 * line of JSON on standard output. Standard input that ends means that no more will come.
 */
export interface CheckRequest {
  /** Bytes of the module. */
  size: number;
  limits: ModuleLimits;
}

export interface CheckAnswer {
  /** As far as it could be read. */
  module: WalkedModule;
  refusal: Refusal | null;
}

export function requestFrame(request: CheckRequest): Buffer {
  const json = Buffer.from(JSON.stringify(request));
  const frame = Buffer.allocUnsafe(4 + json.length);
  frame.writeUInt32BE(json.length);
  json.copy(frame, 4);
  return frame;
}
