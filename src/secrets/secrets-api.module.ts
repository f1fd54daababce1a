import { Module } from '@nestjs/common';
import { SecretsController } from './secrets.controller.js';
import { SecretsModule } from './secrets.module.js';

/** The REST routes of secrets. Present in processes with the role `api`. */
@Module({ imports: [SecretsModule], controllers: [SecretsController] })
export class SecretsApiModule {}
