import { Module } from '@nestjs/common';
import { Health } from '../observability/index.js';
import { StorageModule } from '../storage/index.js';
import { SandboxService } from './sandbox.service.js';

@Module({ imports: [StorageModule], providers: [SandboxService], exports: [SandboxService] })
export class ExecutionModule {
  constructor(sandbox: SandboxService, health: Health) {
    health.register('sandbox', () => sandbox.health());
  }
}
