import { join } from 'node:path';
import { Inject, Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Environment } from '../config/index.js';
import { Health } from '../observability/index.js';
import { BlobLinks } from './blob-links.js';
import { BLOB_STORE, type BlobStore } from './blob-store.js';
import { BlobStores } from './blob-stores.js';
import { BlobsController } from './blobs.controller.js';
import { LocalBlobStore } from './drivers/local.driver.js';
import { Staging } from './staging.js';

@Module({
  controllers: [BlobsController],
  providers: [
    { provide: BLOB_STORE, inject: [ConfigService, BlobLinks], useFactory: blobStores },
    { provide: BlobLinks, inject: [ConfigService], useFactory: blobLinks },
    { provide: Staging, inject: [ConfigService], useFactory: staging },
  ],
  exports: [BLOB_STORE, Staging],
})
export class StorageModule {
  constructor(@Inject(BLOB_STORE) store: BlobStore, health: Health) {
    health.register('storage', () => store.health());
  }
}

type Config = ConfigService<Environment, true>;

/** Client libraries are loaded by whoever uses them: that of S3 alone takes a quarter of a second and 30 MB. */
function blobStores(config: Config, links: BlobLinks): BlobStore {
  const { driver, dir, s3 } = config.get('storage', { infer: true });
  return new BlobStores(driver, {
    local: () => new LocalBlobStore(dir, links),
    ...(s3 && { s3: async () => new (await import('./drivers/s3.driver.js')).S3BlobStore(s3) }),
  });
}

function staging(config: Config): Staging {
  return new Staging(join(config.get('storage', { infer: true }).dir, 'staged'));
}

/** The boot has seen to it that there is a secret. */
function blobLinks(config: Config): BlobLinks {
  return new BlobLinks(config.get('auth', { infer: true }).jwtSecret as string);
}
