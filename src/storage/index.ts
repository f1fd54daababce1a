export { ApiDownload } from './api-download.js';
export { type BlobHolder, BlobLedger } from './blob-ledger.js';
export { BLOB_STORE, type BlobRef, type BlobStore } from './blob-store.js';
export { Deposits, LocalDepositBox } from './deposits.js';
export { RedirectQuery } from './redirect.dto.js';
export { answerBlob } from './serve-blob.js';
export { type StagedBlob, Staging } from './staging.js';
export { StorageModule } from './storage.module.js';
export { StoredBlob } from './stored-blob.entity.js';
