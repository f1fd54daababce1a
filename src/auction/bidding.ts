import type { Candidate, PricePolicy } from '../agents/index.js';
import type { GeoConfig } from '../config/index.js';

/** Prices and promised durations of candidates for a task now. Pure. */

/** Parts of an asked price, micro-credits: `priceMicro = ⌈(baseMicro + inputMicro) · surge⌉`. */
export interface Ask {
  priceMicro: bigint;
  baseMicro: bigint;
  /** For the size of the input. */
  inputMicro: bigint;
  /** 1 without load, the agent's own `surge` at full load, to the millionth. */
  surge: number;
}

/**
 * @param inputBytes of the task's input; each begun KiB counts
 * @param running tasks the agent is at work on
 */
export function ask(pricing: PricePolicy, inputBytes: number, running: number): Ask {
  const { baseMicro, perKbMicro, maxConcurrency } = pricing;
  const inputMicro = perKbMicro === 0n ? 0n : perKbMicro * BigInt(Math.ceil(inputBytes / 1024));
  const load = maxConcurrency === null ? 0 : Math.min(1, running / maxConcurrency);
  const surge = load === 0 ? 1 : Math.round((1 + (pricing.surge - 1) * load) * 1e6) / 1e6;
  return { priceMicro: priceOf({ baseMicro, inputMicro, surge }), baseMicro, inputMicro, surge };
}

/** The price, from its parts. */
export function priceOf({ baseMicro, inputMicro, surge }: Omit<Ask, 'priceMicro'>): bigint {
  // Most agents ask their base price, and bigint arithmetic is expensive for thousands of agents.
  const unsurged = inputMicro === 0n ? baseMicro : baseMicro + inputMicro;
  return surge === 1 ? unsurged : (unsurged * BigInt(Math.round(surge * 1e6)) + 999_999n) / 1_000_000n;
}

export const isBusy = ({ pricing, running }: Candidate): boolean =>
  pricing.maxConcurrency !== null && running >= pricing.maxConcurrency;

/** Time that distance adds to an agent's estimate for a task that prefers the region `wanted`, ms. */
export function roundTripMs(geo: GeoConfig, wanted: string | null, region: string | null): number {
  if (!geo.enabled || wanted === null || wanted === region) return 0;
  return geo.roundTripsMs.get(`${wanted}:${region}`) ?? geo.defaultRoundTripMs;
}
