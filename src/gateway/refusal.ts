import { AppError } from '../common/app-error.js';

/** An acknowledgement of a message that was not done. */
export type Refusal = { ok: false; code: string; message: string };

/** What may be shown of an error. */
export const toRefusal = (error: unknown): Refusal =>
  error instanceof AppError
    ? { ok: false, code: error.code, message: error.message }
    : { ok: false, code: 'INTERNAL', message: 'Something went wrong on our side.' };

/** What a refused handshake hands the client: `message`, and `data.code`. */
export function handshakeError(error: unknown): Error {
  const { code, message } = toRefusal(error);
  return Object.assign(new Error(message), { data: { code } });
}
