import { Module } from '@nestjs/common';
import { AgentsModule } from '../../agents/index.js';
import { AuthModule } from '../../auth/index.js';
import { TasksModule } from '../../tasks/index.js';
import { MetaAgent } from '../meta-agent.js';
import { AuctionsController } from './auctions.controller.js';

/** Holds auctions and explains them: workers decide, the API explains. */
@Module({
  imports: [AgentsModule, AuthModule, TasksModule],
  controllers: [AuctionsController],
  providers: [MetaAgent],
  exports: [MetaAgent],
})
export class AuctionModule {}
