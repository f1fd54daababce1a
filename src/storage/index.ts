export { BLOB_STORE, type BlobRef, type BlobStore, type StagedBlob } from './blob-store.js';
export { StorageModule } from './storage.module.js';
