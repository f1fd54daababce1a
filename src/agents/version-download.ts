import type { StreamableFile } from '@nestjs/common';
import type { Response } from 'express';
import { type BlobRef, type BlobStore, isKnown, serveBlob } from '../storage/index.js';
import type { AgentBinary } from './agent-binary.entity.js';
import type { Agent } from './agent.entity.js';

/** How long the address of a redirect works. Enough to begin a download, seconds. */
const ADDRESS_TTL = 300;
const MEDIA_TYPE = 'application/wasm';

/**
 * Answers the binary of a version: 304 to who has it, 302 to where it is, or its bytes.
 * @param redirect answer an address that has the bytes, instead of the bytes
 * @returns what Nest is to send as body
 */
export async function answerBinary(
  store: BlobStore,
  { slug }: Agent,
  { version, sha256, size, storageRef: ref }: AgentBinary & { storageRef: BlobRef },
  redirect: boolean,
  response: Response,
): Promise<StreamableFile | undefined> {
  const blob = { ref, size, sha256, filename: `${slug}-${version}.wasm`, contentType: MEDIA_TYPE };
  // Addresses that a store has signed are good for reading, not for asking about.
  if (!redirect || response.req.method === 'HEAD') return serveBlob(store, blob, response);
  if (isKnown(response, blob)) return undefined;
  response.status(302).location(await store.signedUrl(ref, { ...blob, expiresInSeconds: ADDRESS_TTL }));
  return undefined;
}
