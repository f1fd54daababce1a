import { tmpdir } from 'node:os';
import { type INestApplicationContext, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ConfigurationModule, type Environment, type Installation } from '../config/index.js';
import { ObservabilityModule } from '../observability/index.js';
import { ValidatorModule } from '../validation/index.js';

/** The modules of a process with `ROLES=validator`: no database, no queue, no store, nothing that signs. @param logger `false`: it logs nothing */
export function createValidator(environment: Environment, logger?: false): Promise<INestApplicationContext> {
  @Module({ imports: [ConfigurationModule.of(withoutSecrets(environment)), ObservabilityModule, ValidatorModule] })
  class Validator {}
  return NestFactory.createApplicationContext(Validator, { abortOnError: false, ...(logger === false && { logger }) });
}

/** Its data folder holds modules while they are read. Health reports the free space there. */
const withoutSecrets = (environment: Environment): Installation => ({
  ...environment,
  server: { ...environment.server, dataDir: tmpdir() },
  database: { ...environment.database, url: '' },
  auth: { ...environment.auth, jwtSecret: '' },
  secrets: { key: undefined, previousKeys: [] },
});
