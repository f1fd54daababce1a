import { Module } from '@nestjs/common';
import { StorageModule } from '../storage/index.js';
import { SandboxService } from './sandbox.service.js';

@Module({ imports: [StorageModule], providers: [SandboxService], exports: [SandboxService] })
export class ExecutionModule {}
