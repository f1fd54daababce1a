import { Module } from '@nestjs/common';
import { AccountsService, AuthModule } from '../auth/index.js';
import { FeedModule } from '../feed/index.js';
import { Deliveries } from './deliveries.js';
import { DeliveriesController } from './deliveries.controller.js';
import { WebhookSecrets } from './webhook-secrets.js';
import { WebhooksController } from './webhooks.controller.js';
import { deleteWebhooksOf, Webhooks } from './webhooks.service.js';

/** The REST routes of webhooks. Present in processes with the role `api`. */
@Module({
  imports: [AuthModule, FeedModule],
  providers: [Deliveries, Webhooks, WebhookSecrets],
  controllers: [WebhooksController, DeliveriesController],
})
export class WebhooksApiModule {
  constructor(accounts: AccountsService) {
    accounts.whenDeleted(deleteWebhooksOf);
  }
}
