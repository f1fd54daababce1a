/**
 * Money is integer micro-credits (`bigint`) inside the server and a decimal number with at most six decimals on the
 * wire. It is never added up as a float.
 */
export type MicroCredits = bigint;

const MICROS_PER_CREDIT = 1_000_000n;
const DECIMAL = /^(\d{1,9})(?:\.(\d{1,6}))?$/;

/** The largest amount on the wire, in credits: JSON numbers keep fifteen digits exactly. */
export const MAX_AMOUNT = '999999999.999999';

/** Whether a price or budget is a decimal of at most nine digits, then at most six decimals. */
export const isDecimalAmount = (value: unknown): value is string | number =>
  (typeof value === 'string' || typeof value === 'number') && DECIMAL.test(wireText(value));

/**
 * Parses `1.5` or `"1.50"` into micro-credits.
 * @throws RangeError when `isDecimalAmount` does not hold
 */
export function parseAmount(value: string | number): MicroCredits {
  const match = DECIMAL.exec(wireText(value));
  if (!match) throw new RangeError(`not an amount with at most six decimals: ${value}`);
  return BigInt(match[1]) * MICROS_PER_CREDIT + BigInt((match[2] ?? '').padEnd(6, '0'));
}

/** Micro-credits as the wire's number. Exact up to `MAX_AMOUNT`. */
export const amountToWire = (amount: MicroCredits): number => Number(amountToDecimal(amount));

/**
 * Micro-credits from a number that `amountToWire` made, of any size: older rows hold larger amounts than requests may
 * now.
 */
export const amountFromWire = (wire: number): MicroCredits => BigInt(wire.toFixed(6).replace('.', ''));

/** Micro-credits as a decimal without trailing zeros: `1500000n` → `1.5`. */
export function amountToDecimal(amount: MicroCredits): string {
  const fraction = (amount % MICROS_PER_CREDIT).toString().padStart(6, '0').replace(/0+$/, '');
  return `${amount / MICROS_PER_CREDIT}${fraction && `.${fraction}`}`;
}

/** Small numbers print in exponent notation (`1e-6`), which is not a decimal. */
const wireText = (value: string | number): string =>
  typeof value === 'number' && Math.abs(value) < 1e-3 && value > 0
    ? value.toFixed(9).replace(/0+$/, '')
    : String(value);
