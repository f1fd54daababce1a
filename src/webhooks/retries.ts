import { halfByChance } from '../common/backoff.js';

const [SECOND, MINUTE, HOUR] = [1000, 60_000, 3_600_000];

/** Pauses after the first request, the second and so on, ms. Together they are 24 h and 12 min. */
const PAUSES = [
  ...[5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE],
  ...[HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 8 * HOUR],
];

/** How a webhook waits as a whole after failed requests in a row, ms: one that is away costs few connections. */
const THROTTLE_MS = 500;
const LONGEST_THROTTLE_MS = 60_000;

/**
 * When a delivery is tried again. Up to a tenth of the pause is random.
 * @param tries requests so far, from 1
 * @returns ms from now; undefined: not again
 */
export function pauseAfter(tries: number, random = Math.random): number | undefined {
  const pause = PAUSES[tries - 1];
  return pause === undefined ? undefined : Math.round(pause * (1 + random() / 10));
}

/** @param failures requests of a webhook that failed in a row @returns ms */
export const throttleAfter = (failures: number, random = Math.random): number =>
  failures === 0 ? 0 : halfByChance(Math.min(THROTTLE_MS * 2 ** Math.min(failures, 20), LONGEST_THROTTLE_MS), random);
