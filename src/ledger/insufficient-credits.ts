import { ApiProblem } from '../common/api-problems.js';
import { AppError } from '../common/app-error.js';
import { amountToDecimal, amountToWire } from '../common/money.js';

/** The account cannot pay. Nothing was written. Amounts in micro-credits. */
export function insufficientCredits(requiredMicro: bigint, availableMicro: bigint): AppError {
  const missing = amountToDecimal(requiredMicro > availableMicro ? requiredMicro - availableMicro : 0n);
  const detail =
    `This needs ${amountToDecimal(requiredMicro)} credits and ${amountToDecimal(availableMicro)} are available: ` +
    `${missing} are missing. Nothing was stored. Lower the budget, wait until running tasks end, or ask for credits.`;
  return new AppError('unpaid', 'INSUFFICIENT_CREDITS', detail, {
    details: { required: amountToWire(requiredMicro), available: amountToWire(availableMicro) },
  });
}

/** Documents that answer of a route. */
export const ApiInsufficientCredits = () =>
  ApiProblem(402, {
    meaning: 'Your available credits do not cover this; nothing was stored. See `GET /ledger/balance`.',
    code: 'INSUFFICIENT_CREDITS',
    detail:
      'This needs 2.5 credits and 1 are available: 1.5 are missing. Nothing was stored. Lower the budget, wait until running tasks end, or ask for credits.',
    members: {
      required: { type: 'number', description: 'What the request needs, credits.', example: 2.5 },
      available: { type: 'number', description: 'What you can spend, credits.', example: 1 },
    },
  });
