import { setTimeout as pause } from 'node:timers/promises';

const POLL_MS = 25;

/** Asks again and again until the answer is there. @throws Error that names what did not come in time */
export async function until<T>(
  what: string,
  ask: () => Promise<T | false | undefined> | T | false | undefined,
  timeoutMs = 30_000,
): Promise<T> {
  for (const deadline = Date.now() + timeoutMs; ; await pause(POLL_MS)) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
  }
}
