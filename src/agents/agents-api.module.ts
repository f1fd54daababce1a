import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/index.js';
import { StorageModule } from '../storage/index.js';
import { AgentsController } from './agents.controller.js';
import { AgentsModule } from './agents.module.js';
import { ModerationController } from './moderation.controller.js';
import { VersionsController } from './versions.controller.js';

/** The REST routes of agents and their versions. Present in processes with the role `api`. */
@Module({
  imports: [AgentsModule, AuthModule, StorageModule],
  controllers: [AgentsController, ModerationController, VersionsController],
})
export class AgentsApiModule {}
