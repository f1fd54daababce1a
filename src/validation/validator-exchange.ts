import { z } from 'zod';
import type { ModuleLimits } from './wasm/limits.js';
import type { CheckOutcome } from './module-check.js';
import { checkAnswer } from './parse-answer.js';

/**
 * The messages between an API process and a validator process, over HTTP/1.1:
 *
 *   GET  /health                               → 204 when modules can be checked
 *   POST /check, a `CheckOrder` in the header `X-Check`, the module as body
 *                                              → 200 and a `CheckOutcome` as JSON
 *
 * Both carry `Authorization: Bearer <VALIDATOR_SECRET>` where there is a secret; a wrong one is answered 401.
 */
export const CHECK_PATH = '/check';
export const HEALTH_PATH = '/health';
export const ORDER_HEADER = 'x-check';

export interface CheckOrder {
  /** Whose module it is. */
  owner: string;
  limits: ModuleLimits;
}

/**
 * @param expected limits that an order has to name: one that is not there would not be checked
 * @throws Error when the header holds no order
 */
export function parseOrder(header: unknown, expected: ModuleLimits): CheckOrder {
  const limits = Object.fromEntries(Object.keys(expected).map((name) => [name, z.number().nonnegative()]));
  const order = z.strictObject({ owner: z.string().min(1).max(100), limits: z.strictObject(limits) });
  return order.parse(JSON.parse(String(header))) as unknown as CheckOrder;
}

const outcome: z.ZodType<CheckOutcome> = z.discriminatedUnion('end', [
  z.strictObject({ end: z.literal('answered'), answer: checkAnswer }),
  z.strictObject({ end: z.literal('timed_out'), afterMs: z.number().nonnegative() }),
  z.strictObject({ end: z.literal('crashed'), how: z.string().max(10_000) }),
]);

/** @returns undefined when the text is no outcome of a check */
export function parseOutcome(text: string): CheckOutcome | undefined {
  try {
    return outcome.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
