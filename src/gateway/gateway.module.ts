import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/index.js';
import { AuthModule } from '../auth/index.js';
import { FeedModule } from '../feed/index.js';
import { ProtectionModule } from '../protection/index.js';
import { TaskApiModule } from '../task-api/index.js';
import { ConnectionLimits } from './connection-limits.js';
import { EventFeed } from './event-feed.service.js';
import { EventsController } from './events.controller.js';
import { GatewayController } from './gateway.controller.js';
import { Hub } from './hub.js';
import { watchGateway } from './metrics.js';
import { SocketCredentials } from './socket-credentials.js';
import { SocketGateway } from './socket.gateway.js';
import { TopicAccess } from './topic-access.js';

/** Present in processes with the role `api`. */
@Module({
  imports: [AuthModule, AgentsModule, FeedModule, ProtectionModule, TaskApiModule],
  controllers: [EventsController, GatewayController],
  providers: [Hub, SocketCredentials, SocketGateway, TopicAccess, ConnectionLimits, EventFeed],
  exports: [ConnectionLimits, Hub],
})
export class GatewayModule {
  constructor(sockets: SocketGateway, feed: EventFeed, hub: Hub) {
    watchGateway(sockets, feed, hub);
  }
}
