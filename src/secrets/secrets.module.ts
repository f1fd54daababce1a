import { Module } from '@nestjs/common';
import { AgentsModule } from '../agents/index.js';
import { AuthModule } from '../auth/index.js';
import { AgentSecrets } from './agent-secrets.js';

/** Secrets of agents, for processes that run agents or serve the API. */
@Module({ imports: [AgentsModule, AuthModule], providers: [AgentSecrets], exports: [AgentSecrets] })
export class SecretsModule {}
