import { Refusal } from '../common/refusal.js';

/** Why a dependency cannot serve, in words that anyone may read: no names of users, hosts or files. */
export class DependencyFault extends Error {}

/** System errors, SQLSTATEs, and the codes of `AppError`s. */
const CODE = /^[A-Z0-9_]{3,40}$/;

/**
 * The class of a fault, for readers without an account. The text of a service may name users, hosts and files, so only the
 * log and `doctor` show it.
 */
export function publicReason(error: unknown): string {
  if (error instanceof DependencyFault) return error.message;
  if (error instanceof Refusal) return 'refused';
  if (!(error instanceof Error)) return 'failed';
  const { code, name, message } = error as NodeJS.ErrnoException;
  if (code !== undefined && CODE.test(code)) return code;
  // A reply of Redis begins with its class: "NOPERM User … has no permissions to …".
  const reply = name === 'ReplyError' ? message.split(' ', 1)[0] : '';
  return CODE.test(reply) ? reply : 'failed';
}

/** The whole text of a fault, for operators. */
export function faultText(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return message || code || String(error);
}
