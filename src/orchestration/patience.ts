import { setTimeout as pause } from 'node:timers/promises';

/** The first pause, the longest, and for how long a write is tried, ms. */
const FIRST_MS = 500;
const LONGEST_MS = 60_000;
const INSIST_MS = 25_000;
const LONGEST_BUSY_MS = 10_000;

/**
 * How long to wait before try number `n` (1 for the first repetition), ms: twice as long each time, half of it by chance,
 * so that those whose backend went away together do not come back together.
 */
export const pauseBefore = (n: number, random = Math.random): number => {
  const longest = Math.min(FIRST_MS * 2 ** (n - 1), LONGEST_MS);
  return Math.round((longest * (1 + random())) / 2);
};

/**
 * How long to wait for busy agents, ms: the longer a task has waited the longer, so that many waiting tasks do not keep
 * the workers busy with asking.
 * @param waitedMs since its submission
 */
export const pauseWhileBusy = (waitedMs: number, random = Math.random): number => {
  const longest = Math.min(Math.max(waitedMs / 4, FIRST_MS), LONGEST_BUSY_MS);
  return Math.round((longest * (1 + random())) / 2);
};

/**
 * Writes what must not be lost while the database is away for a moment: tries again until it answers, for less long than
 * a lease lasts beyond its run. The write has to be one that a repetition does not repeat.
 * @throws Error of the last try, and at once what the database refuses
 */
export async function insist<T>(write: () => Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + INSIST_MS;
  for (let tries = 1; ; tries++) {
    try {
      return await write();
    } catch (error) {
      const wait = pauseBefore(tries);
      if (!isOutage(error) || performance.now() + wait > giveUpAt) throw error;
      await pause(wait);
    }
  }
}

/** SQLSTATE classes of a server that is away, stopping or out of means; an error without one came from the way to it. */
const OUTAGE = /^(08|53|57|58)/;

const isOutage = (error: unknown): boolean => {
  const code = (error as { code?: unknown }).code;
  return typeof code !== 'string' || code.length !== 5 || OUTAGE.test(code);
};
