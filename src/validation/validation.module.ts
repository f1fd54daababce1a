import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/index.js';
import { ClamdVirusScanner } from './drivers/clamd.driver.js';
import { NoVirusScanner } from './drivers/none.driver.js';
import { MalwareScan } from './malware-scan.js';
import { VIRUS_SCANNER, type VirusScanner } from './virus-scanner.js';
import { WasmValidator } from './wasm-validator.js';

/** Decides which uploaded binaries may become versions of agents. */
@Module({
  providers: [
    WasmValidator,
    MalwareScan,
    { provide: VIRUS_SCANNER, inject: [ConfigService], useFactory: chooseVirusScanner },
  ],
  exports: [WasmValidator, MalwareScan],
})
export class ValidationModule {}

function chooseVirusScanner(config: ConfigService<Environment, true>): VirusScanner {
  const { clamdUrl: url, timeoutMs, maxBytes } = config.get('scanner', { infer: true });
  return url ? new ClamdVirusScanner({ url, timeoutMs, maxBytes }) : new NoVirusScanner();
}
