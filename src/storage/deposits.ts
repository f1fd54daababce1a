import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { AppError } from '../common/app-error.js';
import { isId, newId } from '../common/ids.js';
import { makePrivateFolder } from './private-folder.js';
import { Signer } from './signer.js';
import { removeStale } from './stale-files.js';
import type { StagedBlob, Staging } from './staging.js';

/** Bytes that somebody announces. */
export interface Announced {
  /** Bytes. */
  size: number;
  /** Lower-case hex. */
  sha256: string;
}

/** A request that a client makes to bring the announced bytes, and them alone. */
export interface SignedUpload {
  method: 'PUT';
  /** Absolute, or relative to this server. */
  url: string;
  /** To be sent exactly so. */
  headers: Record<string, string>;
}

/** Where deposits wait. */
export interface DepositBox {
  /** @param id of a deposit, a UUID */
  address(id: string, announced: Announced, expires: number): Promise<SignedUpload>;

  /** @throws AppError `not_found` `BLOB_NOT_FOUND` */
  open(id: string): Promise<Readable>;

  remove(id: string): Promise<void>;

  /** Removes what nobody has fetched for so long. @returns how many */
  sweep(olderThanMs: number): Promise<number>;
}

export interface Deposit {
  /** Names the deposit to this server, and to nobody but its owner. */
  token: string;
  upload: SignedUpload;
  expiresAt: Date;
}

/** What the address of a deposit says in its query. */
export interface DepositLink extends Announced {
  /** Seconds since the epoch. */
  expires: number;
  /** HMAC-SHA-256 over all the rest, base64url. */
  signature: string;
}

/** How long there is to bring the bytes and to use them, s. */
const TTL_SECONDS = 900;

/**
 * Bytes that clients bring by themselves, before they say what they are for: to a presigned address of the store where it
 * has such, so that they do not pass through this server, else to this server.
 *
 * Nothing is trusted of a deposit. It is fetched into the staging area, counted and hashed, like a file of a form, and goes the
 * same way from there. Tokens are signed and not stored; what nobody fetches is swept.
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
    const signature = this.signer.sign([ownerId, ...claims]);
    return { token: [...claims, signature].join('.'), upload, expiresAt: new Date(expires * 1000) };
  }

  /**
   * Fetches a deposit into the staging area. It can be fetched until it is removed or has expired.
   * @throws AppError `invalid` `DEPOSIT_INVALID`, `DEPOSIT_MISSING` or `DEPOSIT_MISMATCH`: nothing is staged then
   */
  async stage(ownerId: string, token: string): Promise<StagedBlob> {
    const { id, size, sha256 } = this.announcedBy(ownerId, token);
    const bytes = await (await this.box()).open(id).catch((error) => {
      throw error instanceof AppError && error.kind === 'not_found' ? missing(error) : error;
    });
    return stageAnnounced(this.staging, bytes, { size, sha256 });
  }

  /** @param token one that `stage` took */
  async remove(token: string): Promise<void> {
    await (await this.box()).remove(token.split('.')[0]);
  }

  async sweep(olderThanMs: number): Promise<number> {
    return (await this.box()).sweep(olderThanMs);
  }

  /** What a token is for. @throws AppError `invalid` `DEPOSIT_INVALID` */
  announcedBy(ownerId: string, token: string): Announced & { id: string } {
    const [id, expires, size, sha256, signature = ''] = token.split('.');
    const claims = [ownerId, id, Number(expires), Number(size), sha256];
    if (!this.signer.isGood(claims, signature))
      throw invalid('This is no deposit of yours on this server: announce one first.');
    if (Number(expires) * 1000 < Date.now()) throw invalid('The deposit has expired: announce and bring it again.');
    return { id, size: Number(size), sha256 };
  }
}

/** Deposits in a folder of this machine, which this server takes at signed addresses of its own. */
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
    const signature = this.signer.sign([id, expires, size, sha256]);
    const query = new URLSearchParams({ expires: String(expires), size: String(size), sha256, signature });
    return {
      method: 'PUT',
      url: `/api/v1/deposits/${id}/binary?${query}`,
      headers: { 'Content-Type': 'application/wasm', 'Content-Length': String(size) },
    };
  }

  /**
   * Takes the bytes that an address is for. Once more replaces them.
   * @throws AppError `forbidden` `LINK_INVALID` or `LINK_EXPIRED`, `invalid` `DEPOSIT_MISMATCH`
   */
  async take(id: string, link: DepositLink, bytes: () => Readable): Promise<void> {
    const { expires, size, sha256, signature } = link;
    if (!isId(id) || !this.signer.isGood([id, expires, size, sha256], signature)) {
      throw new AppError('forbidden', 'LINK_INVALID', 'This address was not made by this server, or was changed.');
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
const absent = (): AppError => new AppError('not_found', 'BLOB_NOT_FOUND', 'Nothing has been brought yet.');
const missing = (cause: Error): AppError =>
  new AppError('invalid', 'DEPOSIT_MISSING', 'Nothing has been brought to the address of this deposit yet.', { cause });
const mismatch = (): AppError =>
  new AppError('invalid', 'DEPOSIT_MISMATCH', 'These are not the bytes that were announced: another size or SHA-256.');
