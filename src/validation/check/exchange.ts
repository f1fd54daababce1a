import type { ModuleLimits } from '../wasm/limits.js';
import type { Refusal } from '../wasm/refusal.js';
import type { WalkedModule } from '../wasm/walked-module.js';

/**
 * The messages between server and checking process. For each module, the child reads from standard input: the length of
 * a `CheckRequest` (32 bits, big-endian), the request as JSON, and the module. It answers each with a `CheckAnswer`, a
 * line of JSON on standard output. When standard input ends, no more modules come.
 */
export interface CheckRequest {
  /** Size of the module, bytes. */
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
