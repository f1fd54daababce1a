import { backOff, halfByChance } from '../common/backoff.js';
import { isContention, isOutage } from '../common/outage.js';

/** The shortest pause while agents are busy, and the longest, ms. */
const SHORTEST_BUSY_MS = 500;
const LONGEST_BUSY_MS = 10_000;
/** The longest pause while a caller waits for the answer, ms. */
const LONGEST_OUTAGE_PAUSE_MS = 5_000;

/**
 * How long to wait for busy agents, ms: the longer a task has waited the longer, so that many waiting tasks do not keep
 * the workers busy with asking.
 * @param waitedMs since it could first have been taken up
 */
export const pauseWhileBusy = (waitedMs: number, random = Math.random): number => {
  const longest = Math.min(Math.max(waitedMs / 4, SHORTEST_BUSY_MS), LONGEST_BUSY_MS);
  return halfByChance(longest, random);
};

/**
 * Repeats work during an outage until it succeeds, however long that takes. So a computed result is
 * not thrown away. The work must be safe to repeat.
 * @param stopping when aborted, the next try is the last
 * @throws Error of the last try; an error that is no outage is thrown at once
 */
export async function retryDuringOutage<T>(work: () => Promise<T>, stopping: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    const last = stopping.aborted;
    try {
      return await work();
    } catch (error) {
      if (last || !(isOutage(error) || isContention(error))) throw error;
      await backOff(tries, LONGEST_OUTAGE_PAUSE_MS, stopping);
    }
  }
}
