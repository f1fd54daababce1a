import { setTimeout as pause } from 'node:timers/promises';

/** The pause between two questions, ms. A question costs the server and the database CPU time that other suites need. */
const SHORTEST_MS = 25;
const LONGEST_MS = 200;

/**
 * Asks again and again until the answer is there. The pauses grow with the time that has passed, so a long wait ends at
 * most a tenth later than it could. A test that samples a state sets `longestPauseMs`.
 * @throws Error that names what did not come in time
 */
export async function until<T>(
  what: string,
  ask: () => Promise<T | false | undefined> | T | false | undefined,
  timeoutMs = 30_000,
  longestPauseMs = LONGEST_MS,
): Promise<T> {
  const begun = Date.now();
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer;
    const passed = Date.now() - begun;
    if (passed > timeoutMs) throw new Error(`waited in vain until ${what}`);
    await pause(Math.min(Math.max(SHORTEST_MS, passed / 10), longestPauseMs));
  }
}
