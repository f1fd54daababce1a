import { Module } from '@nestjs/common';
import { EgressModule } from '../egress/index.js';
import { FeedModule } from '../feed/index.js';
import { WebhookDeliverer } from './deliverer.js';
import { TurnStore } from './turn-store.js';
import { WebhookTurn } from './turn.js';
import { WebhookSecrets } from './webhook-secrets.js';

/** Sends events to webhooks. Present in processes with the role `worker`. */
@Module({ imports: [EgressModule, FeedModule], providers: [TurnStore, WebhookDeliverer, WebhookSecrets, WebhookTurn] })
export class WebhooksModule {}
