import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { FeedModule } from '../feed/index.js';
import { Book } from './book.js';
import { CreditsController } from './credits.controller.js';
import { Credits } from './credits.js';
import { DisputesController } from './disputes.controller.js';
import { Disputes } from './disputes.js';
import { LedgerController } from './ledger.controller.js';
import { LedgerModule } from './ledger.module.js';
import { PayoutsController } from './payouts.controller.js';
import { Payouts } from './payouts.js';
import { SpendingLimitsController } from './spending-limits.controller.js';
import { Statements } from './statement.js';
import { Transfers } from './transfers.js';

/** The REST routes of the ledger. Present in processes with the role `api`. */
@Module({
  imports: [AuthModule, FeedModule, LedgerModule],
  controllers: [LedgerController, CreditsController, PayoutsController, DisputesController, SpendingLimitsController],
  providers: [Book, Credits, Disputes, Payouts, Statements, Transfers],
})
export class LedgerApiModule {}
