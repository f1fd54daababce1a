import { join } from 'node:path';
import { Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/index.js';
import { BlobLinks } from './blob-links.js';
import { BLOB_STORE, type BlobStore } from './blob-store.js';
import { BlobsController } from './blobs.controller.js';
import { LocalBlobStore } from './drivers/local.driver.js';
import { Staging } from './staging.js';

@Module({
  controllers: [BlobsController],
  providers: [
    { provide: BLOB_STORE, inject: [ConfigService, BlobLinks], useFactory: chooseBlobStore },
    { provide: BlobLinks, inject: [ConfigService], useFactory: blobLinks },
    { provide: Staging, inject: [ConfigService], useFactory: staging },
  ],
  exports: [BLOB_STORE, Staging],
})
export class StorageModule {}

type Config = ConfigService<Environment, true>;

function chooseBlobStore(config: Config, links: BlobLinks): BlobStore {
  const storage = config.get('storage', { infer: true });
  switch (storage.driver) {
    case 'local':
      return new LocalBlobStore(storage.dir, links);
  }
}

function staging(config: Config): Staging {
  return new Staging(join(config.get('storage', { infer: true }).dir, 'staged'));
}

/** The boot has seen to it that there is a secret. */
function blobLinks(config: Config): BlobLinks {
  return new BlobLinks(config.get('auth', { infer: true }).jwtSecret as string);
}
