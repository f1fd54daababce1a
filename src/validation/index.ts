export { MalwareScan } from './malware-scan.js';
export { ScanReport } from './scan-report.dto.js';
export { ValidationModule } from './validation.module.js';
export { ValidationReport } from './validation-report.dto.js';
export { ValidatorModule } from './validator.module.js';
export { ValidatorServer } from './validator-server.js';
export { WasmValidator } from './wasm-validator.js';
