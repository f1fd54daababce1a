/** What a completed task costs its submitter, and where that goes. Micro-credits. */
export interface Charge {
  /** What the submitter pays: `ownerMicro + feeMicro`. */
  costMicro: bigint;
  /** What the agent's owner earns. */
  ownerMicro: bigint;
  /** What the market keeps. */
  feeMicro: bigint;
}

const MILLION = 1_000_000n;

/**
 * The one place that decides what a completed task costs. The cost never exceeds the budget. The fee is rounded down, in
 * favour of the owner.
 * @param priceMicro what the award promises the owner before the fee
 * @param feeMillionths the market's part of the price, 0 to 1,000,000
 */
export function chargeOf(
  { priceMicro, budgetMicro }: { priceMicro: bigint; budgetMicro: bigint },
  feeMillionths: bigint,
): Charge {
  const costMicro = priceMicro < budgetMicro ? priceMicro : budgetMicro;
  const feeMicro = (costMicro * feeMillionths) / MILLION;
  return { costMicro, ownerMicro: costMicro - feeMicro, feeMicro };
}
