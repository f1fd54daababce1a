import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { AgentsModule } from '../agents/index.js';
import { AuctionModule } from '../auction/index.js';
import { DatabaseConfig } from '../config/index.js';
import { DatabaseModule, LOCKS, SingleHolder } from '../database/index.js';
import { ExecutionModule } from '../execution/index.js';
import { FeedModule } from '../feed/index.js';
import { HostCallsModule } from '../host-calls/index.js';
import { LedgerModule } from '../ledger/index.js';
import { QueueModule } from '../queue/index.js';
import { SchedulingModule, Sweeper } from '../scheduling/index.js';
import { TasksModule } from '../tasks/index.js';
import { AttemptRunner } from './attempt.js';
import { Intake } from './intake.js';
import { ParkingLot } from './parking-lot.js';
import { Retention } from './retention.js';
import { TaskProcessor } from './task.processor.js';
import { Worker } from './worker.js';

/** Present in processes with the role `worker`. */
@Module({
  imports: [
    AgentsModule,
    AuctionModule,
    AuthModule,
    DatabaseModule,
    ExecutionModule,
    FeedModule,
    HostCallsModule,
    LedgerModule,
    QueueModule,
    SchedulingModule,
    TasksModule,
  ],
  providers: [
    AttemptRunner,
    Intake,
    ParkingLot,
    {
      provide: SingleHolder,
      inject: [DatabaseConfig],
      useFactory: ({ url }: DatabaseConfig) => new SingleHolder(url, LOCKS.fairShare),
    },
    Retention,
    Sweeper,
    TaskProcessor,
    Worker,
  ],
})
export class OrchestrationModule {}
