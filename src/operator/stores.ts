import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { DatabaseClient } from '../database/index.js';
import { type BlobStores, driversInUse, type Staging } from '../storage/index.js';
import { type Finding, reason } from './finding.js';

export const STORE_ADVICE: Record<string, string> = {
  'storage local': 'Let this user write to `blobs` in the data folder.',
  'storage s3': 'Check S3_BUCKET and the S3_ variables that belong to it.',
  'storage ipfs': 'Check IPFS_API_URL, or let this user write to `ipfs` in the data folder.',
};

/** The drivers named by references of stored bytes. */
export async function storedIn(databaseUrl: string): Promise<string[]> {
  const client = new DatabaseClient(databaseUrl);
  await client.connect();
  try {
    return await driversInUse(async (statement) => (await client.query<{ driver: string }>(statement)).rows);
  } finally {
    await client.end();
  }
}

/** Bytes stored there cannot be read. */
export function notConfigured(driver: string): Finding {
  const what = `storage ${driver}`;
  return { mark: '✗', what, found: 'it holds stored bytes, but is not configured', advice: STORE_ADVICE[what] };
}

/** Writes and reads a small object: a bucket that answers may still refuse this key's writes. */
export async function bucket(stores: BlobStores, staging: Staging): Promise<Finding> {
  const what = 'bucket';
  const store = await stores.at('s3');
  const bytes = randomBytes(64);
  const staged = await staging.stage(Readable.from([bytes], { objectMode: false }), bytes.length);
  try {
    const ref = await store.put(staged);
    const same = bytes.equals(await store.read(ref));
    await store.delete(ref);
    if (!same) throw new Error('an object was read back with different bytes');
    return { mark: '✓', what, found: 'an object was written, read and deleted' };
  } catch (error) {
    return { mark: '✗', what, found: reason(error), advice: STORE_ADVICE['storage s3'] };
  } finally {
    await staging.discard(staged);
  }
}
