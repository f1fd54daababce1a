import { Module } from '@nestjs/common';
import { WasmValidator } from './wasm-validator.js';

/** Decides which uploaded binaries may become versions of agents. */
@Module({ providers: [WasmValidator], exports: [WasmValidator] })
export class ValidationModule {}
