import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Announced, DepositBox, SignedUpload } from '../deposits.js';
import { explained, explainedStream } from './s3-errors.js';

const PREFIX = 'deposits/';

/** Deposits in the bucket of the binaries, below `deposits/`. Clients upload them by presigned PUT. */
export class S3DepositBox implements DepositBox {
  constructor(
    private readonly client: S3Client,
    /** Uses the address at which clients reach the service. */
    private readonly signer: S3Client,
    private readonly bucket: string,
  ) {}

  /** The signature covers length and checksum. Only services that ignore the checksum accept wrong bytes. */
  async address(id: string, { size, sha256 }: Announced, expires: number): Promise<SignedUpload> {
    const checksum = Buffer.from(sha256, 'hex').toString('base64');
    const command = new PutObjectCommand({
      Bucket: this.bucket,
      Key: PREFIX + id,
      ContentLength: size,
      ChecksumSHA256: checksum,
    });
    const url = await getSignedUrl(this.signer, command, {
      expiresIn: Math.max(1, expires - Math.floor(Date.now() / 1000)),
      signableHeaders: new Set(['host', 'content-length', 'x-amz-checksum-sha256']),
      unhoistableHeaders: new Set(['x-amz-checksum-sha256']),
    }).catch((error) => Promise.reject(explained(error)));
    return { method: 'PUT', url, headers: { 'Content-Length': String(size), 'x-amz-checksum-sha256': checksum } };
  }

  async open(id: string): Promise<Readable> {
    const command = new GetObjectCommand({ Bucket: this.bucket, Key: PREFIX + id });
    const { Body } = await this.client.send(command).catch((error) => Promise.reject(explained(error)));
    return explainedStream(Body as Readable);
  }

  async remove(id: string): Promise<void> {
    await this.delete(PREFIX + id);
  }

  async sweep(olderThanMs: number): Promise<number> {
    let swept = 0;
    for (let token: string | undefined, more = true; more; more = token !== undefined) {
      const command = new ListObjectsV2Command({ Bucket: this.bucket, Prefix: PREFIX, ContinuationToken: token });
      const page = await this.client.send(command).catch((error) => Promise.reject(explained(error)));
      for (const { Key, LastModified } of page.Contents ?? []) {
        if (!LastModified || LastModified.getTime() > Date.now() - olderThanMs) continue;
        await this.delete(Key as string);
        swept++;
      }
      token = page.NextContinuationToken;
    }
    return swept;
  }

  private async delete(Key: string): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.bucket, Key });
    await this.client.send(command).catch((error) => Promise.reject(explained(error)));
  }
}
