import { access, constants, open } from 'node:fs/promises';
import { makePrivateFolder } from '../private-folder.js';
import { misconfigured } from './blob-faults.js';

/** Syncs a folder, which makes the renames in it durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  await folder.sync().finally(() => folder.close());
}

/** Makes the folder if it is missing. @throws AppError `internal` `STORAGE_MISCONFIGURED` */
export async function assertWritable(path: string): Promise<void> {
  try {
    await makePrivateFolder(path);
    await access(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw misconfigured('its folder below DATA_DIR cannot be written to', error);
  }
}
