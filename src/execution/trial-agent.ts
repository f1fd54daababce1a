import { createHash } from 'node:crypto';

/**
 * The smallest agent that answers: it writes `true` and ends.
 *
 *   (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
 *   (memory (export "memory") 1)
 *   (data (i32.const 0) "\08\00\00\00\04\00\00\00true")
 *   (func (export "_start") (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12))))
 */
const module = Buffer.from(
  'AGFzbQEAAAABDAJgBH9/f38Bf2AAAAIjARZ3YXNpX3NuYXBzaG90X3ByZXZpZXcxCGZkX3dyaXRlAAADAgEBBQMBAAEHEwIGbWVtb3J5AgAGX3N0YXJ0AAEK' +
    'DwENAEEBQQBBAUEMEAAaCwsSAQBBAAsMCAAAAAQAAAB0cnVl',
  'base64',
);

export const TRIAL_AGENT = { module, sha256: createHash('sha256').update(module).digest('hex') };
