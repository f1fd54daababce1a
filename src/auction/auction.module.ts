import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/index.js';
import { MetaAgent } from './meta-agent.js';

/** Holds auctions. Processes of every role have it. */
@Module({ imports: [AgentsModule], providers: [MetaAgent], exports: [MetaAgent] })
export class AuctionModule {}
