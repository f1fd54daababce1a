import { createHmac, randomBytes } from 'node:crypto';

const PREFIX = 'whsec_';

/** A new secret as Standard Webhooks writes it: `whsec_` and 32 bytes in base64. */
export const newSecret = (): string => PREFIX + randomBytes(32).toString('base64');

/**
 * The headers of one request by the rules of Standard Webhooks. Receivers compare one of the signatures with their own.
 * @param secrets the current one first; an older one while its receiver changes over
 * @param id of the message, equal in each request that repeats it
 * @param at when the request is sent, ms since the epoch
 */
export function signedHeaders(
  secrets: readonly string[],
  id: string,
  at: number,
  body: Buffer,
): Record<string, string> {
  const timestamp = String(Math.floor(at / 1000));
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': secrets.map((secret) => `v1,${signature(secret, `${id}.${timestamp}.`, body)}`).join(' '),
  };
}

const signature = (secret: string, start: string, body: Buffer): string =>
  createHmac('sha256', Buffer.from(secret.slice(PREFIX.length), 'base64'))
    .update(start)
    .update(body)
    .digest('base64');
