import { access, constants, mkdir, open } from 'node:fs/promises';
import { misconfigured } from './blob-faults.js';

/** A rename is durable once its folder is. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}

/** Makes the folder if it is not there. @throws AppError `internal` `STORAGE_MISCONFIGURED` */
export async function assertWritable(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
    await access(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw misconfigured('its folder below DATA_DIR cannot be written to', error);
  }
}
