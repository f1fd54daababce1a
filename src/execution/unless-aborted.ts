/**
 * Waits for `work`, but no longer than until `signal` aborts: its result is then ignored.
 * @returns undefined when it was aborted first
 */
export async function unlessAborted<T>(
  signal: AbortSignal | undefined,
  work: T | Promise<T> | undefined,
): Promise<T | undefined> {
  if (!work || !signal) return work;
  let stop!: () => void;
  const aborted = new Promise<undefined>((resolve) => (stop = () => resolve(undefined)));
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
