import { Module } from '@nestjs/common';
import { TaskApiModule } from '../task-api/index.js';
import { AuctionModule } from './auction.module.js';
import { AuctionRecords } from './auction-records.js';
import { AuctionsController } from './auctions.controller.js';
import { Auctions } from './auctions.service.js';

/** The REST routes that explain and simulate auctions. Present in processes with the role `api`. */
@Module({
  imports: [AuctionModule, TaskApiModule],
  controllers: [AuctionsController],
  providers: [AuctionRecords, Auctions],
  exports: [Auctions],
})
export class AuctionApiModule {}
