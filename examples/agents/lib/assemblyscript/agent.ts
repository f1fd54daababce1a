/**
 * The frame of an agent in AssemblyScript: read one JSON document from standard input, write one to standard output,
 * exit 0. Every line on standard error becomes a log event of the task. An agent whose input is at fault says why in one
 * sentence and exits 65; one that fails by itself exits 1.
 *
 * Standard streams come from the WASI shim (`process.stdin` and so on); see the Makefile.
 */
import { fd_write } from 'bindings/wasi_snapshot_preview1';

import { Json, parse } from './json';

const INPUT_REFUSED: i32 = 65;
const STDOUT: u32 = 1;

/** Reads the task's input; ends the agent when there is none. Strings have two bytes a character. */
export function readInput(): Json {
  let buffer = new ArrayBuffer(64 << 10);
  let length: i32 = 0;
  while (true) {
    const got = process.stdin.read(buffer, length);
    if (got == 0) break;
    length += got;
    if (length == buffer.byteLength) {
      const larger = new ArrayBuffer(length * 4);
      memory.copy(changetype<usize>(larger), changetype<usize>(buffer), length);
      buffer = larger;
    }
  }
  return parse(String.UTF8.decodeUnsafe(changetype<usize>(buffer), length));
}

/** Writes the task's result. */
export function writeOutput(result: Json): void {
  // A lone surrogate has no UTF-8: U+FFFD stands for it.
  const bytes = String.UTF8.encode(result.toString() + '\n', false, String.UTF8.ErrorMode.REPLACE);
  // One piece of memory to write (address, length), and behind it the count that comes back.
  const piece = memory.data(12);
  let written: usize = 0;
  while (written < <usize>bytes.byteLength) {
    store<usize>(piece, changetype<usize>(bytes) + written);
    store<usize>(piece, <usize>bytes.byteLength - written, 4);
    if (fd_write(STDOUT, piece, 1, piece + 8) != 0) fail('The output could not be written.');
    written += load<usize>(piece, 8);
  }
}

/** Writes one line to the task's log. */
export function log(line: string): void {
  process.stderr.write(line + '\n');
}

/** Says what is wrong with the input, in one sentence, and ends the agent with exit code 65. It does not count as a failure. */
export function refuse(sentence: string): void {
  log(sentence);
  process.exit(INPUT_REFUSED);
}

/** Says what is wrong, in one sentence, and ends the agent with exit code 1. */
export function fail(sentence: string): void {
  log(sentence);
  process.exit(1);
}
