import { setImmediate as turn } from 'node:timers/promises';
import { JsonScanner } from '../common/json-scanner.js';
import { jsonFault, MAX_OUTPUT_DEPTH } from './sandbox/json-output.js';

/**
 * Checks what a sandbox process has sent as an agent's output before it is believed: honest ones send one JSON document
 * only, but a process that the agent has broken into sends what it likes, and text that is no JSON would fail the
 * statement that writes it, with the results of all other tasks in the same batch.
 *
 * In pieces, between which the event loop serves others.
 *
 * @returns the output in the form asked for, or what is wrong with it
 */
export async function verifyOutput(
  bytes: Uint8Array,
  outputAs: 'text' | 'bytes',
): Promise<{ output: string | Uint8Array } | { fault: string }> {
  const scanner = new JsonScanner(MAX_OUTPUT_DEPTH);
  try {
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      if (at > 0) await turn();
      scanner.push(bytes.subarray(at, at + PIECE_BYTES));
    }
    scanner.end();
  } catch (error) {
    return { fault: `an output that is not JSON: ${(error as Error).message}` };
  }
  if (outputAs === 'bytes') return { output: bytes };
  const text = new TextDecoder().decode(bytes);
  // Only escapes bring in what PostgreSQL refuses; the exact check takes several times as long.
  const fault = SUSPICIOUS_ESCAPE.test(text) ? jsonFault(text) : undefined;
  return fault ? { fault: `an output in which ${fault}` } : { output: text };
}

/** Some milliseconds at most. */
const PIECE_BYTES = 256 * 1024;
/** NUL, or half of a surrogate pair. */
const SUSPICIOUS_ESCAPE = /\\u(?:0000|d[89a-f])/i;
