import { Module } from '@nestjs/common';
import { AccountsService, AuthModule, YoungAccounts } from '../auth/index.js';
import { FeedModule } from '../feed/index.js';
import { ProtectionModule } from '../protection/index.js';
import { BlobLedger, BlobLedgerModule, StorageModule } from '../storage/index.js';
import { AgentCatalog } from './agent-catalog.js';
import { AgentPresenter } from './agent.presenter.js';
import { AgentService } from './agent.service.js';
import { ModerationService } from './moderation.service.js';
import { NewCapabilities } from './new-capabilities.js';
import { OwnerQuota } from './owner-quota.js';
import { StatisticsProjection } from './statistics-projection.js';
import { retireAgentsOf } from './retire-agents.js';
import { VERSION_BYTES } from './version-bytes.js';
import { VersionContracts } from './version-contracts.js';
import { VersionScans } from './version-scans.js';
import { VersionService } from './version.service.js';

@Module({
  imports: [AuthModule, BlobLedgerModule, FeedModule, ProtectionModule, StorageModule],
  providers: [
    AgentPresenter,
    AgentService,
    ModerationService,
    NewCapabilities,
    OwnerQuota,
    VersionService,
    VersionScans,
    VersionContracts,
    AgentCatalog,
    StatisticsProjection,
  ],
  exports: [
    AgentPresenter,
    AgentService,
    ModerationService,
    VersionService,
    VersionScans,
    AgentCatalog,
    VersionContracts,
  ],
})
export class AgentsModule {
  constructor(ledger: BlobLedger, young: YoungAccounts, accounts: AccountsService) {
    accounts.whenDeleted(retireAgentsOf);
    ledger.register(VERSION_BYTES);
    ledger.scaleQuota((userId, quota) => young.quotaOf(userId, quota));
  }
}
