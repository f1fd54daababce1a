import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/index.js';
import { AuctionApiModule } from '../auction/index.js';
import { AuthModule } from '../auth/index.js';
import { GatewayModule } from '../gateway/index.js';
import { TaskApiModule } from '../task-api/index.js';
import { MarketTools } from './market-tools.js';
import { McpController } from './mcp.controller.js';
import { McpResources } from './resources.js';
import { ToolCalls } from './tool-calls.js';

/** The door for clients of the Model Context Protocol. Present in processes with the role `api`. */
@Module({
  imports: [AgentsModule, AuctionApiModule, AuthModule, GatewayModule, TaskApiModule],
  controllers: [McpController],
  providers: [MarketTools, McpResources, ToolCalls],
})
export class McpModule {}
