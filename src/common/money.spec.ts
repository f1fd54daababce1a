import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { amountFromWire, amountToDecimal, amountToWire, isDecimalAmount, parseAmount } from './money.js';

/** Everything a request can carry: nine digits before the point and six after it. */
const amounts = fc.bigInt({ min: 0n, max: 999_999_999_999_999n });

describe('money', () => {
  it.each([
    ['0', 0n],
    ['0.5', 500_000n],
    ['0.50', 500_000n],
    ['1.000001', 1_000_001n],
    ['007', 7_000_000n],
    ['999999999.999999', 999_999_999_999_999n],
    [999999999.999999, 999_999_999_999_999n],
    [0, 0n],
    [1.5, 1_500_000n],
    [0.1, 100_000n],
    [0.000001, 1n],
    [0.0000019, undefined],
    [1e-7, undefined],
    [-0.5, undefined],
    [1e21, undefined],
    [Number.NaN, undefined],
    [Number.POSITIVE_INFINITY, undefined],
    ['', undefined],
    [' 1', undefined],
    ['1 ', undefined],
    ['1\n', undefined],
    ['+1', undefined],
    ['-1', undefined],
    ['1.', undefined],
    ['.5', undefined],
    ['1,5', undefined],
    ['1e3', undefined],
    ['0x10', undefined],
    ['٣', undefined],
    ['0.0000001', undefined],
    ['1000000000', undefined],
    ['999999999999.999999', undefined],
  ])('reads %j as %s micro-credits', (wire, micros) => {
    expect(isDecimalAmount(wire)).toBe(micros !== undefined);
    if (micros === undefined) expect(() => parseAmount(wire)).toThrow(RangeError);
    else expect(parseAmount(wire)).toBe(micros);
  });

  it.each([null, undefined, true, {}, [], ['1'], 1n])(
    'takes neither %p nor anything else that is no number or text',
    (value) => {
      expect(isDecimalAmount(value)).toBe(false);
    },
  );

  it('prints without trailing zeros', () => {
    expect([0n, 1n, 1_500_000n, 2_000_000n, 10_000_000n].map(amountToDecimal)).toEqual([
      '0',
      '0.000001',
      '1.5',
      '2',
      '10',
    ]);
  });

  it('survives the way to a decimal and back, to the last micro-credit', () => {
    fc.assert(fc.property(amounts, (amount) => expect(parseAmount(amountToDecimal(amount))).toBe(amount)));
  });

  it('survives the wire as a number', () => {
    fc.assert(
      fc.property(amounts, (amount) => {
        expect(parseAmount(amountToWire(amount))).toBe(amount);
        expect(amountFromWire(amountToWire(amount))).toBe(amount);
      }),
    );
  });

  it('is read from a stored number that is larger than a request may be', () => {
    expect(amountFromWire(amountToWire(999_999_999_999_999_999n))).toBe(1_000_000_000_000_000_000n);
  });
});
