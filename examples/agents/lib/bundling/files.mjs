/** The files that the bundlers of scripts read and write. A mistake ends the program with a sentence, not with a stack. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Prints what is wrong and ends the program.
 * @param exitCode 1: the script makes no agent; 2: the command is wrong
 */
export function fail(message, exitCode = 1) {
  console.error(message);
  process.exit(exitCode);
}

/** Reads UTF-8; a byte order mark is dropped. */
export function readText(path) {
  let bytes;
  try {
    bytes = readFileSync(path);
  } catch ({ code }) {
    const reasons = { ENOENT: 'does not exist.', EISDIR: 'is a folder, not a script.' };
    fail(`${path} ${reasons[code] ?? `cannot be read (${code}).`}`, 2);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    fail(`${path} is not UTF-8.`, 2);
  }
}

export const isFolder = (path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** Checks that the binary can be written, before the work that makes it. */
export function checkTarget(path) {
  const folder = dirname(path);
  if (!isFolder(folder)) fail(`There is no folder ${folder} to write the binary to: create it first.`, 2);
  if (isFolder(path)) fail(`${path} is a folder: name the binary to write.`, 2);
  try {
    accessSync(folder, constants.W_OK);
  } catch ({ code }) {
    fail(`The binary cannot be written to ${folder} (${code}).`, 2);
  }
}
