import type { Socket } from 'socket.io';
import { AppError } from '../common/app-error.js';
import { parseTopic, type Topic } from './topic.js';

/** What clients of the socket gateway send: the handshake, and the bodies of messages. */

/**
 * Drops the handshake request, with a token and a browser's headers in it. Socket.IO would keep it as long as the
 * connection lives.
 */
export function forgetHandshake(client: Socket): void {
  Object.assign(client, { handshake: {} });
  Object.assign(client.request, { headers: {}, rawHeaders: [] });
}

export function parseSubscription(body: unknown): { topic: Topic; afterSeq?: number } {
  const { topic: name, after_seq: afterSeq } = (body ?? {}) as { topic?: unknown; after_seq?: unknown };
  const topic = parseTopic(name);
  return { topic, afterSeq: parseCursor(afterSeq) };
}

export function parseCursor(afterSeq: unknown): number | undefined {
  if (afterSeq === undefined || afterSeq === null) return undefined;
  if (Number.isSafeInteger(afterSeq) && (afterSeq as number) >= 0) return afterSeq as number;
  throw new AppError('invalid', 'BAD_CURSOR', 'after_seq must be a whole number of 0 or more.');
}
