import { Module } from '@nestjs/common';
import { ValidatorServer } from './validator-server.js';

/** What a process with `ROLES=validator` does. */
@Module({ providers: [ValidatorServer], exports: [ValidatorServer] })
export class ValidatorModule {}
