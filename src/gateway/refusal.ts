import { AppError } from '../common/app-error.js';

/** An acknowledgement of a message that was not done. */
export type Refusal = { ok: false; code: string; message: string };

/** What may be shown of an error. */
export const toRefusal = (error: unknown): Refusal =>
  error instanceof AppError
    ? { ok: false, code: error.code, message: error.message }
    : { ok: false, code: 'INTERNAL', message: 'Something went wrong on our side.' };
