import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { DatabaseModule } from '../database/index.js';
import { LedgerCheck } from './ledger-check.js';
import { Ledger } from './ledger.js';
import { OpeningGrants } from './opening-grants.js';

/** Accounts, transfers and holds. Processes of every role have it. */
@Module({
  imports: [AuthModule, DatabaseModule],
  providers: [Ledger, LedgerCheck, OpeningGrants],
  exports: [Ledger, LedgerCheck],
})
export class LedgerModule {}
