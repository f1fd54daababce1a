import { counters, gauge } from '../observability/index.js';

export const checks = counters(
  'ledger_checks_total',
  'Checks of the ledger against its transfers by this process, by outcome.',
  { outcome: ['agrees', 'differs', 'failed'] },
);

/** @param read differences that the last check of this process found; undefined before the first */
export function watchLedger(read: () => number | undefined): void {
  gauge(
    'ledger_differences',
    'Differences between balances, holds and transfers that the last check of this process found.',
    [],
    () => {
      const count = read();
      return count === undefined ? [] : count;
    },
  );
}
