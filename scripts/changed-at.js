import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Gives the latest change in a folder, or of a file: a folder that lost a file is newer itself. 0 where there is nothing. */
export function changedAt(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found?.isDirectory()) return found?.mtimeMs ?? 0;
  return Math.max(found.mtimeMs, ...readdirSync(path).map((name) => changedAt(join(path, name))));
}

export const latest = (root, names) => Math.max(...names.map((name) => changedAt(join(root, name))));
