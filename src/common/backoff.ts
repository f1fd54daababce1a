/** The first pause and the longest, ms. */
const FIRST_MS = 500;
const LONGEST_MS = 60_000;

/**
 * How long to wait before repetition `n` (1 for the first), ms. The pause doubles each time. Half of it is random, so
 * that processes that lost a backend together do not return together.
 */
export const pauseBefore = (n: number, random = Math.random): number => {
  const longest = Math.min(FIRST_MS * 2 ** (n - 1), LONGEST_MS);
  return Math.round((longest * (1 + random())) / 2);
};
