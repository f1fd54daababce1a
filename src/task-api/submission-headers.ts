import { malformed } from '../common/dto.pipe.js';

/** What a submission asks for by headers. */

/** The most a request may wait for its task, s. Proxies close a request that is silent for 60 s, nginx by default. */
export const MAX_WAIT_S = 50;

export const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;
export const IDEMPOTENCY_KEY_RULE = 'must be 1 to 255 visible ASCII characters';

/** @throws AppError `invalid` for a key that is empty, longer than 255 characters, or not visible ASCII */
export function idempotencyKey(header: string | undefined): string | undefined {
  if (header === undefined || IDEMPOTENCY_KEY.test(header)) return header;
  throw malformed([{ field: 'Idempotency-Key', message: IDEMPOTENCY_KEY_RULE }]);
}

/**
 * `Prefer: wait=N` of RFC 7240. As the RFC has it, what cannot be read is ignored. More than `MAX_WAIT_S` counts as that.
 * @returns seconds; 0: answer at once
 */
export function preferredWait(header: string | undefined): number {
  const [, seconds] = /(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)/i.exec(header ?? '') ?? [];
  return Math.min(Number(seconds ?? 0), MAX_WAIT_S);
}
