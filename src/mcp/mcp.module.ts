import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/index.js';
import { AuctionApiModule } from '../auction/index.js';
import { AuthModule } from '../auth/index.js';
import { GatewayModule } from '../gateway/index.js';
import { TaskApiModule } from '../task-api/index.js';
import { AgentTools } from './agent-tools.js';
import { MarketTools } from './market-tools.js';
import { McpController } from './mcp.controller.js';
import { McpResources } from './resources.js';
import { TaskFollower } from './task-follower.js';
import { ToolCalls } from './tool-calls.js';

/** The door for clients of the Model Context Protocol. Present in processes with the role `api`. */
@Module({
  imports: [AgentsModule, AuctionApiModule, AuthModule, GatewayModule, TaskApiModule],
  controllers: [McpController],
  providers: [AgentTools, MarketTools, McpResources, TaskFollower, ToolCalls],
})
export class McpModule {}
