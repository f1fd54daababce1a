import { Module } from '@nestjs/common';
import { ScannerConfig, ValidationConfig } from '../config/index.js';
import { Health } from '../observability/index.js';
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
    { provide: VIRUS_SCANNER, inject: [ScannerConfig], useFactory: chooseVirusScanner },
  ],
  exports: [WasmValidator, MalwareScan],
})
export class ValidationModule {
  constructor(validator: WasmValidator, health: Health, config: ValidationConfig) {
    // Only uploads need it, and they say so themselves.
    if (config.validator) health.register('validator', () => validator.ping(), { required: false });
  }
}

function chooseVirusScanner({ clamdUrl: url, timeoutMs, maxBytes }: ScannerConfig): VirusScanner {
  return url ? new ClamdVirusScanner({ url, timeoutMs, maxBytes }) : new NoVirusScanner();
}
