export { BLOB_STORE, type BlobRef, type BlobStore } from './blob-store.js';
export { Deposits, LocalDepositBox } from './deposits.js';
export { isKnown, serveBlob } from './serve-blob.js';
export { type StagedBlob, Staging } from './staging.js';
export { StorageModule } from './storage.module.js';
