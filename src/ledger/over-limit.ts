import { ApiProblem } from '../common/api-problems.js';
import { AppError } from '../common/app-error.js';
import { amountToDecimal, amountToWire } from '../common/money.js';

/** The limits of an account or of one API key, and what they leave. Micro-credits; null: no limit. */
export interface SpendingLimit {
  /** Null: the account's own. */
  keyId: string | null;
  keyName: string | null;
  perTaskMicro: bigint | null;
  perDayMicro: bigint | null;
  /** What tasks of this UTC day hold or have cost. */
  spentMicro: bigint;
  /** When the day's limit renews. */
  renewsAt: Date;
}

/** What a submission would hold, micro-credits. */
export interface Wanted {
  amountMicro: bigint;
  /** What the dearest task of the submission would hold. */
  largestMicro: bigint;
}

/**
 * The answer to a submission that a spending limit refuses. Nothing was written.
 * @param limits as they stand now; more may be left than at the refusal
 */
export function overLimit(limits: readonly SpendingLimit[], wanted: Wanted): AppError {
  for (const limit of limits) {
    const { perTaskMicro, renewsAt } = limit;
    if (perTaskMicro !== null && wanted.largestMicro > perTaskMicro) {
      const detail =
        `This needs ${amountToDecimal(wanted.largestMicro)} credits for one task, and ${subject(limit)} may spend ` +
        `${amountToDecimal(perTaskMicro)} on each. Nothing was stored. Lower the budget, or log in and raise the limit.`;
      return refused(detail, limit, 'per_task', wanted.largestMicro, perTaskMicro);
    }
    const leftMicro = leftToday(limit);
    if (leftMicro === null || wanted.amountMicro <= leftMicro) continue;
    const detail =
      `This needs ${amountToDecimal(wanted.amountMicro)} credits, and ${subject(limit)} may spend ` +
      `${amountToDecimal(leftMicro)} more until ${renewsAt.toISOString()}. Nothing was stored. ` +
      'Lower the budget, wait until then, or log in and raise the limit.';
    return refused(detail, limit, 'per_day', wanted.amountMicro, leftMicro);
  }
  return new AppError(
    'forbidden',
    CODE,
    'A spending limit refused this a moment ago, and leaves enough now. Nothing was stored. Send it again.',
  );
}

/** What the limit of a day leaves, micro-credits; null without one. */
export function leftToday({ perDayMicro, spentMicro }: SpendingLimit): bigint | null {
  if (perDayMicro === null) return null;
  return perDayMicro > spentMicro ? perDayMicro - spentMicro : 0n;
}

const CODE = 'SPENDING_LIMIT_EXCEEDED';

const subject = ({ keyId, keyName }: SpendingLimit): string =>
  keyId === null ? 'your account' : `the API key "${keyName}"`;

function refused(
  detail: string,
  { keyId, renewsAt }: SpendingLimit,
  limit: 'per_task' | 'per_day',
  requiredMicro: bigint,
  leftMicro: bigint,
): AppError {
  const details = {
    limit,
    key_id: keyId,
    required: amountToWire(requiredMicro),
    left: amountToWire(leftMicro),
    renews_at: limit === 'per_day' ? renewsAt.toISOString() : null,
  };
  return new AppError('forbidden', CODE, detail, { details });
}

/** Documents that answer of a route, beside the usual ones of its status. */
export const ApiOverLimit = () =>
  ApiProblem(403, {
    meaning:
      'The role or the scopes of the API key do not allow this, the account is suspended, or (`SPENDING_LIMIT_EXCEEDED`) a spending limit of the account or of the API key leaves less than this needs. See `GET /ledger/limits`.',
    code: CODE,
    detail:
      'This needs 2.5 credits, and the API key "nightly reports" may spend 1 more until 2026-12-02T00:00:00.000Z. Nothing was stored. Lower the budget, wait until then, or log in and raise the limit.',
    members: {
      required: { type: 'number', description: 'What the request needs, credits.', example: 2.5 },
      left: { type: 'number', description: 'What the limit leaves, credits.', example: 1 },
    },
  });
