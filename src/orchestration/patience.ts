import { setTimeout as pause } from 'node:timers/promises';

/** The first pause and the longest, ms. */
const FIRST_MS = 500;
const LONGEST_MS = 60_000;
/** The longest pause of somebody who waits for the answer. */
const LONGEST_INSISTING_MS = 5_000;
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
 * @param waitedMs since it could first have been taken up
 */
export const pauseWhileBusy = (waitedMs: number, random = Math.random): number => {
  const longest = Math.min(Math.max(waitedMs / 4, FIRST_MS), LONGEST_BUSY_MS);
  return Math.round((longest * (1 + random())) / 2);
};

/**
 * Asks or writes what nothing can go on without: tries again until the database answers, however long it is away. Meanwhile there
 * is nothing else to do, and a result that was computed is not thrown away. The work has to be one that a repetition does not
 * repeat.
 * @param stopping when aborted, the next try is the last
 * @throws Error of the last try, and at once what is no outage
 */
export async function insist<T>(work: () => Promise<T>, stopping: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    const last = stopping.aborted;
    try {
      return await work();
    } catch (error) {
      if (last || !isOutage(error)) throw error;
      const wait = Math.min(pauseBefore(tries), LONGEST_INSISTING_MS);
      await pause(wait, undefined, { signal: stopping }).catch(() => undefined);
    }
  }
}

/**
 * SQLSTATE classes of a server that is away, stopping or out of means, and of one that has become somebody's standby; an error of
 * the system's, or of the driver's about its connection, came from the way to it.
 */
const OUTAGE = /^(08...|53...|57...|58...|25006|E[A-Z].*)$/;
const DRIVER = /connect|client was closed|timeout expired|read timeout/i;

const isOutage = (error: unknown): boolean => {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === 'string' ? OUTAGE.test(code) : DRIVER.test(String(message));
};
