import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { AppError } from '../../common/app-error.js';
import type { S3Config } from '../../config/index.js';
import type { BlobRef, BlobStat, BlobStore, ByteRange, SignedDownload } from '../blob-store.js';
import type { StagedBlob } from '../staging.js';
import { changed } from './blob-faults.js';
import { S3DepositBox } from './s3-deposits.js';
import { explained, explainedStream } from './s3-errors.js';

/** Attempts for one request. The client pauses between them, longer each time and at random (its `standard` mode). */
const MAX_ATTEMPTS = 4;
const CONNECT_TIMEOUT_MS = 5000;
/** Silence on an open connection after which a request counts as failed, ms. */
const SILENCE_TIMEOUT_MS = 30_000;
/** The smallest part that S3 accepts. An upload keeps two parts in memory. */
const PART_BYTES = 5 * 1024 * 1024;
const PARTS_AT_ONCE = 2;

/**
 * Blobs in a bucket of an S3-compatible service, named by the hash of their content: `sha256/<hash>`. An object appears
 * only when it is complete, so a reader never sees half a blob.
 */
export class S3BlobStore implements BlobStore {
  readonly deposits: S3DepositBox;
  private readonly client: S3Client;
  /** Signs addresses for clients. The signature covers the host, and clients may reach the service by another one. */
  private readonly signer: S3Client;
  private readonly bucket: string;

  /** Does not connect yet. */
  constructor(
    private readonly config: S3Config,
    private readonly silenceTimeoutMs = SILENCE_TIMEOUT_MS,
  ) {
    this.bucket = config.bucket;
    this.client = this.clientOf(config.endpoint);
    this.signer = config.publicEndpoint ? this.clientOf(config.publicEndpoint) : this.client;
    this.deposits = new S3DepositBox(this.client, this.signer, this.bucket);
  }

  async refOf({ sha256 }: StagedBlob): Promise<BlobRef> {
    return `s3:${sha256}`;
  }

  /** Stores the bytes even if the object exists, which repairs a damaged object. */
  async put(staged: StagedBlob): Promise<BlobRef> {
    const upload = new Upload({
      client: this.client,
      params: {
        Bucket: this.bucket,
        Key: keyOf(staged.sha256),
        Body: Readable.from(verified(staged), { objectMode: false }),
        ServerSideEncryption: this.config.serverSideEncryption,
      },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_ONCE,
    });
    await upload.done().catch((error) => this.fail(error, this.config.serverSideEncryption && ENCRYPTION));
    return this.refOf(staged);
  }

  async read(ref: BlobRef): Promise<Buffer> {
    const { Body } = await this.open(ref);
    const bytes = await Body!.transformToByteArray().catch((error: unknown) => this.fail(error));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  async get(ref: BlobRef, range?: ByteRange): Promise<Readable> {
    const { Body } = await this.open(ref, range);
    return explainedStream(Body as Readable);
  }

  async stat(ref: BlobRef): Promise<BlobStat> {
    const sha256 = hashOf(ref);
    const command = new HeadObjectCommand({ Bucket: this.bucket, Key: keyOf(sha256) });
    const { ContentLength } = await this.client.send(command).catch((error) => this.fail(error));
    return { size: ContentLength!, sha256 };
  }

  async delete(ref: BlobRef): Promise<void> {
    const command = new DeleteObjectCommand({ Bucket: this.bucket, Key: keyOf(hashOf(ref)) });
    await this.client.send(command).catch((error) => this.fail(error));
  }

  /** An address of the S3 service: the bytes bypass this server. */
  async signedUrl(ref: BlobRef, { expiresInSeconds, filename, contentType }: SignedDownload): Promise<string> {
    const command = new GetObjectCommand({
      Bucket: this.bucket,
      Key: keyOf(hashOf(ref)),
      ResponseContentType: contentType,
      ResponseContentDisposition: `attachment; filename="${filename}"`,
    });
    return getSignedUrl(this.signer, command, { expiresIn: expiresInSeconds }).catch((error) => this.fail(error));
  }

  /** Removes parts of uploads that were never completed: they are not listed, but cost money. */
  async sweep(olderThanMs: number): Promise<number> {
    const Bucket = this.bucket;
    const { Uploads = [] } = await this.client
      .send(new ListMultipartUploadsCommand({ Bucket, Prefix: keyOf('') }))
      .catch((error) => this.fail(error));
    const stale = Uploads.filter(({ Initiated }) => Initiated && Initiated.getTime() < Date.now() - olderThanMs);
    for (const { Key, UploadId } of stale) {
      await this.client
        .send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
        .catch((error) => this.fail(error));
    }
    return stale.length;
  }

  async health(): Promise<void> {
    await this.client.send(new HeadBucketCommand({ Bucket: this.bucket })).catch((error: Error) => {
      throw explained(error, { name: error.name === 'NotFound' ? 'NoSuchBucket' : error.name });
    });
  }

  private clientOf(endpoint?: string): S3Client {
    const { config } = this;
    return new S3Client({
      endpoint,
      region: config.region,
      forcePathStyle: config.forcePathStyle,
      credentials: config.credentials, // unset: the SDK looks for its own (environment, files, the machine's role)
      maxAttempts: MAX_ATTEMPTS,
      requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: this.silenceTimeoutMs },
      // Services other than Amazon's support the newer checksums only in part. A part's SHA-256 is in its signature
      // anyway.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    });
  }

  private open(ref: BlobRef, range?: ByteRange): Promise<GetObjectCommandOutput> {
    const command = new GetObjectCommand({
      Bucket: this.bucket,
      Key: keyOf(hashOf(ref)),
      Range: range && `bytes=${range.start}-${range.end}`,
    });
    return this.client.send(command).catch((error) => this.fail(error));
  }

  private async fail(error: unknown, suspect?: string): Promise<never> {
    // The answer to a HEAD has no body, so a missing bucket looks like a missing object: check the bucket itself.
    if ((error as Error).name === 'NotFound') await this.health();
    throw explained(error, { suspect });
  }
}

/** Services without this encryption complain about an argument or an unknown header. */
const ENCRYPTION = 'it may not support the requested encryption: correct S3_SSE';

const keyOf = (sha256: string): string => `sha256/${sha256}`;

function hashOf(ref: BlobRef): string {
  const match = /^s3:([0-9a-f]{64})$/.exec(ref);
  if (!match) throw new AppError('internal', 'BLOB_REF_UNKNOWN', `Not a reference of the S3 blob store: ${ref}`);
  return match[1];
}

/**
 * The bytes of a staged file, hashed while they are read. If they differ from the staged ones, the upload is never
 * completed.
 */
async function* verified({ path, sha256 }: StagedBlob): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest('hex') !== sha256) throw changed();
}
