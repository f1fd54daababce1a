import { createHmac } from 'node:crypto';

const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');

/** A JWT signed with HS256, or, without a secret, not signed at all (`alg: none`). */
export function forgeToken(claims: object, secret: string | null, header: object = {}): string {
  const text = `${encode({ alg: secret === null ? 'none' : 'HS256', typ: 'JWT', ...header })}.${encode(claims)}`;
  return `${text}.${secret === null ? '' : createHmac('sha256', secret).update(text).digest('base64url')}`;
}

/** Seconds since the epoch, so many from now. */
export const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;
