import { join } from 'node:path';
import { Inject, Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import type { Installation } from '../config/index.js';
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
    { provide: BlobStores, inject: [ConfigService, BlobLinks, OPEN_IPFS], useFactory: blobStores },
    { provide: BLOB_STORE, useExisting: BlobStores },
    { provide: OPEN_IPFS, inject: [ConfigService], useFactory: openIpfs },
    { provide: BlobLinks, inject: [ConfigService], useFactory: blobLinks },
    { provide: Staging, inject: [ConfigService, FreeDisk], useFactory: staging },
    { provide: LocalDepositBox, inject: [ConfigService, Staging], useFactory: localDepositBox },
    { provide: Deposits, inject: [ConfigService, BlobStores, LocalDepositBox, Staging], useFactory: deposits },
  ],
  exports: [BLOB_STORE, BlobStores, Deposits, LocalDepositBox, Staging],
})
export class StorageModule {
  constructor(@Inject(BLOB_STORE) store: BlobStore, health: Health, config: ConfigService<Installation, true>) {
    // Without storage, an API still does everything except uploads and downloads.
    const required = config.get('server', { infer: true }).roles.includes('worker');
    health.register('storage', () => store.health(), { required });
  }
}

type Config = ConfigService<Installation, true>;

/** Client libraries are loaded on first use: most installations need one, and each takes time and memory. */
function blobStores(config: Config, links: BlobLinks, ipfsNode: OpenIpfs): BlobStores {
  const { driver, dir, s3, ipfs } = config.get('storage', { infer: true });
  return new BlobStores(driver, {
    local: () => new LocalBlobStore(dir, links),
    ...(s3 && { s3: async () => new (await import('./drivers/s3.driver.js')).S3BlobStore(s3) }),
    ipfs: async () => {
      const { IpfsBlobStore } = await import('./drivers/ipfs.driver.js');
      return new IpfsBlobStore(await ipfsNode(), ipfs.gatewayUrl);
    },
  });
}

function openIpfs(config: Config): OpenIpfs {
  const { dir, apiUrl } = config.get('storage', { infer: true }).ipfs;
  const open = async (): Promise<IpfsNode> => {
    if (apiUrl) return new (await import('./drivers/ipfs-kubo.js')).KuboIpfs(apiUrl);
    return new (await import('./drivers/ipfs-embedded.js')).EmbeddedIpfs(dir);
  };
  let node: Promise<IpfsNode> | undefined;
  return () => (node ??= open());
}

function staging(config: Config, disk: FreeDisk): Staging {
  return new Staging(join(config.get('storage', { infer: true }).dir, 'staged'), disk);
}

function blobLinks(config: Config): BlobLinks {
  return new BlobLinks(secretOf(config));
}

function localDepositBox(config: Config, area: Staging): LocalDepositBox {
  return new LocalDepositBox(join(config.get('storage', { infer: true }).dir, 'deposits'), area, secretOf(config));
}

function deposits(config: Config, stores: BlobStores, local: LocalDepositBox, area: Staging): Deposits {
  return new Deposits(async () => (await stores.depositBox()) ?? local, area, secretOf(config));
}

const secretOf = (config: Config): string => config.get('auth', { infer: true }).jwtSecret;
