import { Module } from '@nestjs/common';
import { BlobLedger } from './blob-ledger.js';
import { Cleanup } from './cleanup.js';
import { StorageModule } from './storage.module.js';

/** Records which stored bytes are in use, and removes the others at intervals. */
@Module({ imports: [StorageModule], providers: [BlobLedger, Cleanup], exports: [BlobLedger] })
export class BlobLedgerModule {}
