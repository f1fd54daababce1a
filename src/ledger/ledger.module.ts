import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { DatabaseModule } from '../database/index.js';
import { LedgerCheck } from './ledger-check.js';
import { Ledger } from './ledger.js';
import { OpeningGrants } from './opening-grants.js';
import { SpendingLimits } from './spending-limits.js';

/** Accounts, transfers and holds. Processes of every role have it. */
@Module({
  imports: [AuthModule, DatabaseModule],
  providers: [Ledger, LedgerCheck, OpeningGrants, SpendingLimits],
  exports: [Ledger, LedgerCheck, SpendingLimits],
})
export class LedgerModule {}
