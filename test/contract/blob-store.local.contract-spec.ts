import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobLinks } from '../../src/storage/blob-links.js';
import { LocalBlobStore } from '../../src/storage/drivers/local.driver.js';
import { Staging } from '../../src/storage/staging.js';
import { describeBlobStore } from './blob-store.contract.js';

describeBlobStore('local', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'zerostate-blobs-'));
  return {
    store: new LocalBlobStore(join(dir, 'blobs'), new BlobLinks('of the tests')),
    staging: new Staging(join(dir, 'staged')),
    async kept() {
      const entries = await readdir(dir, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
    },
    drop: () => rm(dir, { recursive: true }),
  };
});
