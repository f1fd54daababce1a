import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/index.js';
import { BLOB_STORE, type BlobStore } from './blob-store.js';
import { LocalBlobStore } from './drivers/local.driver.js';

@Module({
  providers: [{ provide: BLOB_STORE, inject: [ConfigService], useFactory: chooseBlobStore }],
  exports: [BLOB_STORE],
})
export class StorageModule {}

function chooseBlobStore(config: ConfigService<Environment, true>): BlobStore {
  const storage = config.get('storage', { infer: true });
  switch (storage.driver) {
    case 'local':
      return new LocalBlobStore(storage.dir);
  }
}
