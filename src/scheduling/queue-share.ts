/**
 * How many tasks of one account may wait, as a line fills up.
 *
 * There are two lines, each with places of its own: tasks that may start now, and tasks submitted with a later start
 * (`run_at`, `delay_ms`), which stay in theirs until they start. So tasks that wait for next month take no place from today's.
 *
 * A tenth of each line is kept for accounts with few tasks. Of the other places, an account may have half of those that the
 * other accounts leave. So a lone account stops at half of them; with n greedy accounts each stops at one part in n + 1, and
 * one part stays free.
 *
 * Source: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM Transactions on
 * Networking 6(2), 1998, with α = 1.
 */
export interface Line {
  /** Tasks of all accounts together. */
  places: number;
  /** Tasks of one account, however empty the line is. */
  perAccount: number;
}

/** Tasks that wait in a line: all of them, and those of the account that asks. */
export interface LineLoad {
  all: number;
  own: number;
}

/** Which limit refuses a submission, and how many tasks it allows. */
export interface LineRefusal {
  limit: 'line' | 'account' | 'share';
  most: number;
}

/** Part of the places that is kept for accounts with few tasks. */
const KEPT = 1 / 10;
/** How many tasks are few, as a part of the places. */
const FEW = 1 / 1000;

/** @returns null when `count` more tasks of the account fit */
export function refusalOf({ places, perAccount }: Line, { all, own }: LineLoad, count: number): LineRefusal | null {
  if (own + count > perAccount) return { limit: 'account', most: perAccount };
  const left = places - Math.floor(places * KEPT) - (all - own);
  const share = Math.max(Math.ceil(places * FEW), Math.ceil(left / 2));
  if (own + count > share) return { limit: 'share', most: share };
  return all + count > places ? { limit: 'line', most: places } : null;
}
