import { AppError } from './app-error.js';

/** Seconds until a client should try again: an operator has to make room. */
const RETRY_AFTER = 30;

/** The refusal to store anything new: below `MIN_FREE_DISK_BYTES`, and when a write found the disk full. */
export const diskFull = (): AppError =>
  new AppError(
    'full',
    'DISK_FULL',
    'The server is short of disk space and stores nothing new. Nothing was written: try again later.',
    { retryAfter: RETRY_AFTER },
  );
