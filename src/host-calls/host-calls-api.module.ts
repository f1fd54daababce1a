import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/index.js';
import { AuthModule } from '../auth/index.js';
import { DatabaseModule } from '../database/index.js';
import { FeedModule } from '../feed/index.js';
import { TaskApiModule } from '../task-api/index.js';
import { AgentState } from './agent-state.js';
import { AgentStateController } from './agent-state.controller.js';
import { CallRecords } from './call-records.js';
import { HostCallsController } from './host-calls.controller.js';

/** The REST routes of host calls. Present in processes with the role `api`. */
@Module({
  imports: [AgentsModule, AuthModule, DatabaseModule, FeedModule, TaskApiModule],
  providers: [AgentState, CallRecords],
  controllers: [HostCallsController, AgentStateController],
})
export class HostCallsApiModule {}
