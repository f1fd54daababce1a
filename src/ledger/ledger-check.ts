import { Injectable, Logger } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Recurring } from '../common/recurring.js';
import { LedgerConfig } from '../config/index.js';
import { inOneProcess } from '../database/index.js';
import { underFeedLock } from '../feed/index.js';
import { Ledger } from './ledger.js';
import { checks, watchLedger } from './metrics.js';
import { SETTLE_LATE } from './settle-late.js';
import { verifyLedger } from './verification.js';

/** Owners whose earnings one round folds, and holds that one statement closes. */
const BATCH = 500;

/**
 * Recurring work of one worker at a time: settles tasks that a worker of an older release ended, folds earnings that have
 * become available, then verifies the whole ledger.
 */
@Injectable()
export class LedgerCheck {
  private readonly logger = new Logger('Ledger');
  private readonly recurring: Recurring;
  private differences: number | undefined;

  constructor(
    private readonly database: DataSource,
    private readonly ledger: Ledger,
    { checkIntervalMs }: LedgerConfig,
  ) {
    watchLedger(() => this.differences);
    this.recurring = new Recurring(
      (signal) => this.round(signal),
      checkIntervalMs,
      ({ message }) => {
        checks.inc({ outcome: 'failed' });
        this.logger.warn(`the ledger could not be checked: ${message}`);
      },
    );
  }

  start(): void {
    this.recurring.start();
  }

  stop(): Promise<void> {
    return this.recurring.stop();
  }

  private async round(signal: AbortSignal): Promise<void> {
    const checked = await inOneProcess(this.database, 'ledgerCheck', async () => {
      while (!signal.aborted && (await this.settleLate()) === BATCH);
      while (!signal.aborted && (await this.ledger.foldAll(BATCH)) === BATCH);
      return signal.aborted ? undefined : this.verify();
    });
    // Another process checks: what this one found before may be out of date.
    if (!checked) this.differences = undefined;
  }

  private async settleLate(): Promise<number> {
    return underFeedLock(this.database, async (transaction) => {
      const [{ count }] = await transaction.query<{ count: number }[]>(SETTLE_LATE, [BATCH]);
      if (count > 0) this.logger.warn(`settled ${count} tasks that a worker of an older release had ended`);
      return count;
    });
  }

  private async verify(): Promise<true> {
    const { count, findings } = await verifyLedger(<Row>(text: string) => this.database.query<Row[]>(text));
    this.differences = count;
    checks.inc({ outcome: count === 0 ? 'agrees' : 'differs' });
    if (count > 0) {
      const [{ rule, subject, detail }] = findings;
      this.logger.error(
        `${count} differences in the ledger, such as: ${rule} (${subject}: ${detail}). Run ledger:verify.`,
      );
    }
    return true;
  }
}
