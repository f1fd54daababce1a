import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Removes files of a folder that were last written longer ago than this. A missing folder has none.
 * @param concerned selects files by name
 * @returns how many
 */
export async function removeStale(
  dir: string,
  olderThanMs: number,
  concerned: (name: string) => boolean = () => true,
): Promise<number> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  let removed = 0;
  for (const path of names.filter(concerned).map((name) => join(dir, name))) {
    const file = await stat(path).catch(() => null); // Its writer may have moved it meanwhile.
    if (!file || file.mtimeMs > Date.now() - olderThanMs) continue;
    await rm(path, { force: true });
    removed++;
  }
  return removed;
}
