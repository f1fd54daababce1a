import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { UsageError } from './command.js';

// Files that options name, with messages for the person who named them.

/** @throws UsageError */
export function readFile(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
}

/**
 * @param option for messages, such as `--mock`
 * @throws UsageError
 */
export const readJsonFile = (option: string, file: string): unknown => parseJson(option, readFile(file).toString());

/** @throws UsageError */
export function parseJson(option: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new UsageError(`${option}: it is not JSON: ${(error as Error).message}`);
  }
}

/** Checks before the run that a file can be written after it. @throws UsageError */
export function assertWritable(option: string, file: string): void {
  const folder = dirname(file);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
    throw new UsageError(`${option}: there is no folder ${folder} to write ${basename(file)} to: create it first.`);
  }
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory()) throw new UsageError(`${option}: ${file} is a folder.`);
}

/** Replaces the file as a whole, so that an interrupted program leaves the old one. @throws UsageError */
export function writeJsonFile(option: string, file: string, value: unknown): void {
  const draft = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(draft, `${JSON.stringify(value, null, 2)}\n`);
    renameSync(draft, file);
  } catch (error) {
    throw new UsageError(`${option}: ${file} cannot be written (${(error as NodeJS.ErrnoException).code}).`);
  }
}

/** The value of JSON text; other text is its own value. */
export function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
