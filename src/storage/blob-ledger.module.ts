import { Module } from '@nestjs/common';
import { BlobLedger } from './blob-ledger.js';
import { Cleanup } from './cleanup.js';
import { StorageModule } from './storage.module.js';

/** Which stored bytes somebody needs, and the clock that removes the others. */
@Module({ imports: [StorageModule], providers: [BlobLedger, Cleanup], exports: [BlobLedger] })
export class BlobLedgerModule {}
