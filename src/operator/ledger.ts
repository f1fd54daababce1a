import type { Environment } from '../config/index.js';
import { DatabaseClient } from '../database/index.js';
import { verifyLedger } from '../ledger/index.js';
import { withInstallation } from './installation.js';

/**
 * Rebuilds all balances and holds from the transfers and compares. It changes nothing, and servers may run meanwhile.
 * @returns whether everything agrees
 */
export const checkLedger = (environment: Environment, print: (line: string) => void): Promise<boolean> =>
  withInstallation(environment, async ({ database }) => {
    const client = new DatabaseClient(database.url);
    await client.connect();
    try {
      const { transfers, count, findings } = await verifyLedger(
        async <Row>(text: string) => (await client.query(text)).rows as Row[],
      );
      if (count === 0) {
        print(`✓ ${transfers} transfers: all balances and holds agree with them, and their sum is zero.`);
        return true;
      }
      print(`✗ ${transfers} transfers, ${count} differences:`);
      for (const { rule, subject, detail } of findings) print(`  ${rule}: ${subject} (${detail})`);
      if (count > findings.length) print(`  … and ${count - findings.length} more`);
      print('  → Stop payouts, keep a backup of the database, and compare with the audit trail. See docs/ledger.md.');
      return false;
    } finally {
      await client.end();
    }
  });
