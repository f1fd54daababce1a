import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { AppError } from '../common/app-error.js';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * What a secret belongs to: the columns that identify its row. It opens for nothing else, so a row cannot be passed off as
 * another one.
 */
export type SecretPlace = readonly string[];

export interface SealedSecret {
  /** Which key it is encrypted with. */
  keyId: string;
  /** Nonce, tag and text. */
  sealed: Buffer;
}

export const secretsKeyMissing = (): AppError =>
  new AppError(
    'unavailable',
    'SECRETS_KEY_MISSING',
    'This server cannot keep secrets yet: its operator must set SECRETS_KEY. Nothing was stored.',
  );

/** Encrypts secrets with the newest key, and reads those of every key that it has. */
export class SecretBox {
  readonly keyId: string;
  private readonly keys: ReadonlyMap<string, Buffer>;

  /**
   * @param key from the configuration, any text
   * @param previous keys that secrets may still be encrypted with
   */
  constructor(key: string, previous: readonly string[]) {
    const keys = [key, ...previous].map((text): [string, Buffer] => {
      const derived = Buffer.from(hkdfSync('sha256', text, '', 'zerostate agent secrets', 32));
      return [createHash('sha256').update(derived).digest('hex').slice(0, 16), derived];
    });
    this.keyId = keys[0][0];
    this.keys = new Map(keys);
  }

  /** Ids of all keys. */
  get keyIds(): string[] {
    return [...this.keys.keys()];
  }

  seal(value: string, place: SecretPlace): SealedSecret {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.keys.get(this.keyId)!, nonce).setAAD(boundTo(place));
    const text = Buffer.concat([cipher.update(value, 'utf8'), cipher.final()]);
    return { keyId: this.keyId, sealed: Buffer.concat([nonce, cipher.getAuthTag(), text]) };
  }

  /** @returns undefined when the key is not there, or the secret was sealed for another place or was changed */
  open({ keyId, sealed }: SealedSecret, place: SecretPlace): string | undefined {
    const key = this.keys.get(keyId);
    if (!key) return undefined;
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
    try {
      const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES }).setAAD(boundTo(place));
      decipher.setAuthTag(tag);
      const text = decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES));
      return Buffer.concat([text, decipher.final()]).toString();
    } catch {
      return undefined;
    }
  }
}

const boundTo = (place: SecretPlace): Buffer => Buffer.from(JSON.stringify(place));
