import { chmod, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The server's user reads and writes, its group reads; other users of the machine see nothing. */
const MODE = 0o750;

/**
 * Makes a folder for the bytes of agents and tasks. If an earlier release left it open to every user, closes it.
 * Folders above it keep their usual mode: the embedded database may have to pass through them as another user.
 */
export async function makePrivateFolder(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await mkdir(path, { mode: MODE }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const { mode } = await stat(path);
  if ((mode & 0o777 & ~MODE) !== 0) await chmod(path, mode & MODE);
}
