import { Module } from '@nestjs/common';
import { ModelConfig } from '../config/index.js';
import { EchoProvider } from './drivers/echo.driver.js';
import { OpenAiProvider } from './drivers/openai.driver.js';
import { MODEL_PROVIDER, type ModelProvider } from './model-provider.js';
import { Models } from './models.js';

/** The models that agents can call. */
@Module({
  providers: [Models, { provide: MODEL_PROVIDER, inject: [ModelConfig], useFactory: chooseProvider }],
  exports: [Models],
})
export class ModelsModule {}

function chooseProvider({ endpoint }: ModelConfig): ModelProvider {
  return endpoint ? new OpenAiProvider(endpoint) : new EchoProvider();
}
