import { join } from 'node:path';
import { Inject, Module } from '@nestjs/common';
import { AuthConfig, ServerConfig, StorageConfig } from '../config/index.js';
import { FreeDisk, Health } from '../observability/index.js';
import { BlobLinks } from './blob-links.js';
import { BLOB_STORE, type BlobStore } from './blob-store.js';
import { BlobStores } from './blob-stores.js';
import { BlobsController } from './blobs.controller.js';
import { Deposits, LocalDepositBox } from './deposits.js';
import { LocalBlobStore } from './drivers/local.driver.js';
import { IpfsController } from './ipfs.controller.js';
import { type IpfsNode, OPEN_IPFS, type OpenIpfs } from './ipfs-node.js';
import { Staging } from './staging.js';

/** The blob stores. Needs no database, and changes nothing by itself. The ledger records which bytes are needed. */
@Module({
  controllers: [BlobsController, IpfsController],
  providers: [
    { provide: BlobStores, inject: [StorageConfig, BlobLinks, OPEN_IPFS], useFactory: blobStores },
    { provide: BLOB_STORE, useExisting: BlobStores },
    { provide: OPEN_IPFS, inject: [StorageConfig], useFactory: openIpfs },
    { provide: BlobLinks, inject: [AuthConfig], useFactory: blobLinks },
    { provide: Staging, inject: [StorageConfig, FreeDisk], useFactory: staging },
    { provide: LocalDepositBox, inject: [StorageConfig, AuthConfig, Staging], useFactory: localDepositBox },
    { provide: Deposits, inject: [AuthConfig, BlobStores, LocalDepositBox, Staging], useFactory: deposits },
  ],
  exports: [BLOB_STORE, BlobStores, Deposits, LocalDepositBox, Staging],
})
export class StorageModule {
  constructor(@Inject(BLOB_STORE) store: BlobStore, health: Health, { roles }: ServerConfig) {
    // Without storage, an API still does everything except uploads and downloads.
    const required = roles.includes('worker');
    health.register('storage', () => store.health(), { required });
  }
}

/** Client libraries are loaded on first use: most installations need one, and each takes time and memory. */
function blobStores({ driver, dir, s3, ipfs }: StorageConfig, links: BlobLinks, ipfsNode: OpenIpfs): BlobStores {
  return new BlobStores(driver, {
    local: () => new LocalBlobStore(dir, links),
    ...(s3 && { s3: async () => new (await import('./drivers/s3.driver.js')).S3BlobStore(s3) }),
    ipfs: async () => {
      const { IpfsBlobStore } = await import('./drivers/ipfs.driver.js');
      return new IpfsBlobStore(await ipfsNode(), ipfs.gatewayUrl);
    },
  });
}

function openIpfs({ ipfs: { dir, apiUrl } }: StorageConfig): OpenIpfs {
  const open = async (): Promise<IpfsNode> => {
    if (apiUrl) return new (await import('./drivers/ipfs-kubo.js')).KuboIpfs(apiUrl);
    return new (await import('./drivers/ipfs-embedded.js')).EmbeddedIpfs(dir);
  };
  let node: Promise<IpfsNode> | undefined;
  return () => (node ??= open());
}

function staging({ dir }: StorageConfig, disk: FreeDisk): Staging {
  return new Staging(join(dir, 'staged'), disk);
}

function blobLinks({ jwtSecret }: AuthConfig): BlobLinks {
  return new BlobLinks(jwtSecret);
}

function localDepositBox({ dir }: StorageConfig, { jwtSecret }: AuthConfig, area: Staging): LocalDepositBox {
  return new LocalDepositBox(join(dir, 'deposits'), area, jwtSecret);
}

function deposits({ jwtSecret }: AuthConfig, stores: BlobStores, local: LocalDepositBox, area: Staging): Deposits {
  return new Deposits(async () => (await stores.depositBox()) ?? local, area, jwtSecret);
}
