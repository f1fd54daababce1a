import { AppError } from '../../common/app-error.js';

export const missing = (cause?: unknown): AppError =>
  new AppError('not_found', 'BLOB_NOT_FOUND', 'It is not in the blob store.', { cause });

export const changed = (): AppError =>
  new AppError('internal', 'BLOB_CORRUPT', 'The uploaded file changed before it was stored: upload it again.');

/** @param cause for the log only; it may contain addresses */
export const misconfigured = (mistake: string, cause: unknown): AppError =>
  new AppError('internal', 'STORAGE_MISCONFIGURED', `The blob store cannot be used: ${mistake}.`, { cause });
