import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AppError } from '../common/app-error.js';
import { AuctionRecord } from './auction-record.entity.js';

/** Reads the auctions that were held for a task. */
@Injectable()
export class AuctionRecords {
  constructor(private readonly database: DataSource) {}

  /** The auctions of a task, the first one first. @throws AppError `not_found` `NO_AUCTION_YET` */
  async of(taskId: string): Promise<AuctionRecord[]> {
    const records = await this.database
      .getRepository(AuctionRecord)
      .find({ where: { taskId }, order: { round: 'ASC' } });
    if (records.length > 0) return records;
    throw new AppError('not_found', 'NO_AUCTION_YET', 'This task has not been auctioned yet.');
  }
}
