import { AppError } from '../common/app-error.js';

/** Acknowledges a message that was refused. */
export type Refusal = { ok: false; code: string; message: string };

/** The part of an error that clients may see. */
export const toRefusal = (error: unknown): Refusal =>
  error instanceof AppError
    ? { ok: false, code: error.code, message: error.message }
    : { ok: false, code: 'INTERNAL', message: 'The server failed. Try again later.' };

/** What a refused handshake sends the client: `message`, and `data.code`. */
export function handshakeError(error: unknown): Error {
  const { code, message } = toRefusal(error);
  return Object.assign(new Error(message), { data: { code } });
}
