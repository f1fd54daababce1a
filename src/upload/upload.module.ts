import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/index.js';
import { AuthModule } from '../auth/index.js';
import { ProtectionModule } from '../protection/index.js';
import { BlobLedgerModule, StorageModule } from '../storage/index.js';
import { ValidationModule } from '../validation/index.js';
import { DepositsController } from './deposits.controller.js';
import { LateScan } from './late-scan.js';
import { UploadController } from './upload.controller.js';
import { UploadService } from './upload.service.js';

@Module({
  imports: [AgentsModule, AuthModule, BlobLedgerModule, ProtectionModule, StorageModule, ValidationModule],
  controllers: [UploadController, DepositsController],
  providers: [UploadService, LateScan],
  exports: [UploadService],
})
export class UploadModule {}
