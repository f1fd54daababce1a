import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The secret that signs access tokens, so that tokens survive a restart. */
export const jwtSecret = (dataDir: string): Promise<string> => generated(dataDir, 'jwt-secret');

/** The key that secrets of agents are encrypted with. */
export const secretsKey = (dataDir: string): Promise<string> => generated(dataDir, 'secrets-key');

/** A secret that is generated once and kept in the data folder. */
async function generated(dataDir: string, name: string): Promise<string> {
  const path = join(dataDir, name);
  await mkdir(dataDir, { recursive: true });
  try {
    // `wx`: if two processes start at once, one writes and both read.
    await writeFile(path, randomBytes(32).toString('base64url'), { flag: 'wx', mode: 0o600, flush: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return readFile(path, 'utf8');
}
