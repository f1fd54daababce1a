import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { FeedModule } from '../feed/index.js';
import { TasksModule } from '../tasks/index.js';
import { Hub } from './hub.js';
import { SocketGateway } from './socket.gateway.js';
import { TaskEventsController } from './task-events.controller.js';

/** Present in processes with the role `api`. */
@Module({
  imports: [AuthModule, FeedModule, TasksModule],
  controllers: [TaskEventsController],
  providers: [Hub, SocketGateway],
})
export class GatewayModule {}
