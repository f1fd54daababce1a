/** The first pause and the longest, ms. */
const FIRST_MS = 250;
const LONGEST_MS = 8000;

/** How long to wait before retry `n` (1 for the first), ms: twice as long each time, half of it random. */
export const pauseBefore = (n: number, random: () => number = Math.random): number =>
  (Math.min(FIRST_MS * 2 ** (n - 1), LONGEST_MS) * (1 + random())) / 2;

/** @throws the signal's reason when it aborts */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error);
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
