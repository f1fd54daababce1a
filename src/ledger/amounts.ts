import { malformed } from '../common/dto.pipe.js';
import { amountToDecimal, amountToWire, parseAmount } from '../common/money.js';

/** Micro-credits of an amount that must be above zero. @throws AppError `invalid` */
export function positive(value: string | number, field = 'amount'): bigint {
  const amount = parseAmount(value);
  if (amount > 0n) return amount;
  throw malformed([{ field, message: `${field} must be above 0` }]);
}

/** Micro-credits, also negative ones, as the wire's number. */
export const signedToWire = (amount: bigint): number => (amount < 0n ? -amountToWire(-amount) : amountToWire(amount));

/** Micro-credits, also negative ones, as a decimal: exact at any size. */
export const signedToDecimal = (amount: bigint): string =>
  amount < 0n ? `-${amountToDecimal(-amount)}` : amountToDecimal(amount);
