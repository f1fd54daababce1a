import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { AppError } from '../common/app-error.js';
import { isId, newId } from '../common/ids.js';
import { Signer } from '../common/signer.js';
import { makePrivateFolder } from './private-folder.js';
import { removeStale } from './stale-files.js';
import type { StagedBlob, Staging } from './staging.js';

/** Bytes that a client announces. */
export interface Announced {
  /** Bytes. */
  size: number;
  /** Lower-case hex. */
  sha256: string;
}

/** The request that uploads the announced bytes, and no others. */
export interface SignedUpload {
  method: 'PUT';
  /** Absolute, or relative to this server. */
  url: string;
  /** Send these headers unchanged. */
  headers: Record<string, string>;
}

/** Holds deposits until they are used. */
export interface DepositBox {
  /** @param id the deposit's UUID */
  address(id: string, announced: Announced, expires: number): Promise<SignedUpload>;

  /** @throws AppError `not_found` `BLOB_NOT_FOUND` */
  open(id: string): Promise<Readable>;

  remove(id: string): Promise<void>;

  /** Removes deposits older than this that were never used. @returns how many */
  sweep(olderThanMs: number): Promise<number>;
}

export interface Deposit {
  /** Identifies the deposit to this server. Only its owner can use it. */
  token: string;
  upload: SignedUpload;
  expiresAt: Date;
}

/** The parameters in the query of a deposit's address. */
export interface DepositLink extends Announced {
  /** Seconds since the epoch. */
  expires: number;
  /** HMAC-SHA-256 over all other members, base64url. */
  signature: string;
}

/** Time to upload and use the bytes, s. */
const TTL_SECONDS = 900;

/**
 * Bytes that clients upload before they say what the bytes are for. They go to a presigned address of the store, so
 * that they bypass this server. If the store has no such addresses, they go to this server.
 *
 * A deposit is not trusted. It is fetched into the staging area, counted and hashed like a file of a form, and then
 * treated as one. Tokens are signed and not stored. Unused deposits are swept.
 */
export class Deposits {
  private readonly signer: Signer;

  /** @param secret shared by all processes of the installation */
  constructor(
    private readonly box: () => Promise<DepositBox>,
    private readonly staging: Staging,
    secret: string,
  ) {
    this.signer = new Signer(secret, 'deposits');
  }

  async announce(ownerId: string, announced: Announced): Promise<Deposit> {
    const id = newId();
    const expires = Math.floor(Date.now() / 1000) + TTL_SECONDS;
    const upload = await (await this.box()).address(id, announced, expires);
    const { size, sha256 } = announced;
    const claims = [id, expires, size, sha256];
    const signature = this.signer.sign(JSON.stringify([ownerId, ...claims]));
    return { token: [...claims, signature].join('.'), upload, expiresAt: new Date(expires * 1000) };
  }

  /**
   * Fetches a deposit into the staging area. It can be fetched until it is removed or expires.
   * @throws AppError `invalid` `DEPOSIT_INVALID`, `DEPOSIT_MISSING` or `DEPOSIT_MISMATCH`; then nothing is staged
   */
  async stage(ownerId: string, token: string): Promise<StagedBlob> {
    const { id, size, sha256 } = this.announcedBy(ownerId, token);
    const bytes = await (await this.box()).open(id).catch((error) => {
      throw error instanceof AppError && error.kind === 'not_found' ? missing(error) : error;
    });
    return stageAnnounced(this.staging, bytes, { size, sha256 });
  }

  /** @param token a token that `stage` accepted */
  async remove(token: string): Promise<void> {
    await (await this.box()).remove(token.split('.')[0]);
  }

  async sweep(olderThanMs: number): Promise<number> {
    return (await this.box()).sweep(olderThanMs);
  }

  /** What a token is for. @throws AppError `invalid` `DEPOSIT_INVALID` */
  announcedBy(ownerId: string, token: string): Announced & { id: string } {
    const [id, expires, size, sha256, signature = ''] = token.split('.');
    const claims = JSON.stringify([ownerId, id, Number(expires), Number(size), sha256]);
    if (!this.signer.isGood(claims, signature))
      throw invalid('This is not one of your deposits on this server: announce one first.');
    if (Number(expires) * 1000 < Date.now()) throw invalid('The deposit has expired: announce and upload it again.');
    return { id, size: Number(size), sha256 };
  }
}

/** Deposits in a folder of this machine. This server accepts them at signed addresses of its own. */
export class LocalDepositBox implements DepositBox {
  private readonly signer: Signer;

  /** @param dir on the file system of the staging area */
  constructor(
    private readonly dir: string,
    private readonly staging: Staging,
    secret: string,
  ) {
    this.signer = new Signer(secret, 'deposit links');
  }

  async address(id: string, { size, sha256 }: Announced, expires: number): Promise<SignedUpload> {
    const signature = this.signer.sign(JSON.stringify([id, expires, size, sha256]));
    const query = new URLSearchParams({ expires: String(expires), size: String(size), sha256, signature });
    return {
      method: 'PUT',
      url: `/api/v1/deposits/${id}/binary?${query}`,
      headers: { 'Content-Type': 'application/wasm', 'Content-Length': String(size) },
    };
  }

  /**
   * Accepts the bytes that an address is for. A second upload replaces the first.
   * @throws AppError `forbidden` `LINK_INVALID` or `LINK_EXPIRED`, `invalid` `DEPOSIT_MISMATCH`
   */
  async take(id: string, link: DepositLink, bytes: () => Readable): Promise<void> {
    const { expires, size, sha256, signature } = link;
    if (!isId(id) || !this.signer.isGood(JSON.stringify([id, expires, size, sha256]), signature)) {
      throw new AppError(
        'forbidden',
        'LINK_INVALID',
        'This address is invalid or was changed: announce the deposit again.',
      );
    }
    if (expires * 1000 < Date.now()) {
      throw new AppError('forbidden', 'LINK_EXPIRED', 'This address has expired: announce the deposit again.');
    }
    const staged = await stageAnnounced(this.staging, bytes, { size, sha256 });
    try {
      await makePrivateFolder(this.dir);
      await rename(staged.path, this.pathOf(id));
    } finally {
      await this.staging.discard(staged);
    }
  }

  async open(id: string): Promise<Readable> {
    const file = await open(this.pathOf(id)).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOENT' ? absent() : error;
    });
    return file.createReadStream();
  }

  async remove(id: string): Promise<void> {
    await rm(this.pathOf(id), { force: true });
  }

  sweep(olderThanMs: number): Promise<number> {
    return removeStale(this.dir, olderThanMs);
  }

  private pathOf(id: string): string {
    return join(this.dir, id);
  }
}

/** @throws AppError `invalid` `DEPOSIT_MISMATCH`: nothing is staged then */
async function stageAnnounced(
  staging: Staging,
  bytes: Readable | (() => Readable),
  { size, sha256 }: Announced,
): Promise<StagedBlob> {
  const staged = await staging.stage(bytes, size).catch((error) => {
    throw error instanceof AppError && error.code === 'BLOB_TOO_LARGE' ? mismatch() : error;
  });
  if (staged.size === size && staged.sha256 === sha256) return staged;
  await staging.discard(staged);
  throw mismatch();
}

const invalid = (message: string): AppError => new AppError('invalid', 'DEPOSIT_INVALID', message);
const absent = (): AppError => new AppError('not_found', 'BLOB_NOT_FOUND', 'Nothing has been uploaded yet.');
const missing = (cause: Error): AppError =>
  new AppError('invalid', 'DEPOSIT_MISSING', 'Nothing has been uploaded to the address of this deposit yet.', {
    cause,
  });
const mismatch = (): AppError =>
  new AppError('invalid', 'DEPOSIT_MISMATCH', 'These are not the announced bytes: size or SHA-256 differs.');
