import { Module } from '@nestjs/common';
import { ModelsController } from './models.controller.js';
import { ModelsModule } from './models.module.js';

/** The REST route of models. Present in processes with the role `api`. */
@Module({ imports: [ModelsModule], controllers: [ModelsController] })
export class ModelsApiModule {}
