import type { PolicyRefusalCode } from './policy.js';
import { ADVICE, type WalkRefusalCode } from './wasm/refusal.js';

/**
 * Every code that refuses a binary, with what it means or how to mend it, for `docs/validation.md`. The walker's advice
 * is part of its messages; the others' messages say what they saw in the binary at hand.
 */
export const REFUSALS: Record<WalkRefusalCode | PolicyRefusalCode | OtherRefusalCode, string> = {
  ...ADVICE,
  INVALID_MODULE:
    'The engine rejects it, usually for a type error, at the byte it names: build it with a released toolchain, and check it with `wasm-validate` or `wasm-tools validate`.',
  VALIDATION_TIMED_OUT: 'Checking it took longer than `VALIDATION_TIMEOUT_MS`: split its largest functions.',
  VALIDATION_CRASHED: 'Checking it took more memory than there is: build a smaller module.',
  FORBIDDEN_IMPORT_MODULE:
    'It imports from a module whose name contains `system`, `exec`, `process` or `kernel`: remove the import.',
  IMPORT_KIND_NOT_ALLOWED:
    'It imports a memory, table, global or tag: define it inside, link without `--import-memory`.',
  UNKNOWN_IMPORT:
    'It imports a function the host does not provide: build for WASI preview 1; the message knows the toolchain.',
  IMPORT_SIGNATURE_MISMATCH: 'It imports a function of the host with another signature: correct the declaration.',
  MEMORY_MISSING: 'It has no memory: define one and export it as `memory`.',
  MEMORY_NOT_EXPORTED: 'Its memory is not exported: export it as `memory`.',
  ENTRY_POINT_MISSING:
    'It exports no function `_start`: build a command with a main function, not a library or reactor.',
  ENTRY_POINT_SIGNATURE: 'Its `_start` takes or answers values: it must be `() -> ()`.',
  MALWARE_FOUND: 'The virus scanner knows it by the name in `signature`.',
  TOO_LARGE_TO_SCAN: '(413) It is larger than what the virus scanner looks at: build a smaller one.',
  SCANNER_AWAY: '(503) It cannot be scanned now: upload it again in a minute.',
};

type OtherRefusalCode =
  | 'INVALID_MODULE'
  | 'VALIDATION_TIMED_OUT'
  | 'VALIDATION_CRASHED'
  | 'MALWARE_FOUND'
  | 'TOO_LARGE_TO_SCAN'
  | 'SCANNER_AWAY';
