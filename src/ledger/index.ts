export { type Charge, chargeOf } from './charge.js';
export { NEW_HOLD_ID, PRICED, SETTLED } from './hold-sql.js';
export { ApiInsufficientCredits, insufficientCredits } from './insufficient-credits.js';
export { LedgerApiModule } from './ledger-api.module.js';
export { LedgerCheck } from './ledger-check.js';
export { Ledger } from './ledger.js';
export { LedgerModule } from './ledger.module.js';
export { type LedgerReport, verifyLedger } from './verification.js';
