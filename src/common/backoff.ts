import { setTimeout as sleep } from 'node:timers/promises';

/** The first pause and the longest, ms. */
const FIRST_MS = 500;
const LONGEST_MS = 60_000;

/**
 * How long to wait before repetition `n` (1 for the first), ms. The pause doubles each time. Half of it is random, so
 * that processes that lost a backend together do not return together.
 */
export const pauseBefore = (n: number, random = Math.random): number =>
  halfByChance(Math.min(FIRST_MS * 2 ** (n - 1), LONGEST_MS), random);

/** A pause of at least half of `longest`; the other half is random. */
export const halfByChance = (longest: number, random: () => number): number =>
  Math.round((longest * (1 + random())) / 2);

/**
 * Pauses before repetition `n`, see `pauseBefore`, for at most `longestMs`.
 * @param stopping ends the pause at once when aborted
 */
export async function backOff(n: number, longestMs: number, stopping: AbortSignal): Promise<void> {
  await sleep(Math.min(pauseBefore(n), longestMs), undefined, { signal: stopping }).catch(() => undefined);
}
