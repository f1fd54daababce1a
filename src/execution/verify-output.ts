import { setImmediate as turn } from 'node:timers/promises';
import { JsonScanner } from '../common/json-scanner.js';
import { trimmedJson } from '../common/json-text.js';
import { MAX_OUTPUT_DEPTH } from './sandbox/json-output.js';

/**
 * Checks what a sandbox process sent as an agent's output before it is believed. An honest process sends one JSON document. One that
 * the agent has broken into sends anything, and text that is no JSON would fail the statement that writes it, with the results of all
 * other tasks in the same batch.
 *
 * It works in pieces, between which the event loop serves others.
 *
 * @param outputAs `text`: without the white space around the document
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
  return { output: outputAs === 'bytes' ? bytes : trimmedJson(new TextDecoder().decode(bytes)) };
}

/** Some milliseconds at most. */
const PIECE_BYTES = 256 * 1024;
