import { IsInt, IsPositive, Matches } from 'class-validator';
import { ApiInteger } from '../common/api-schema.js';
import { NumberFromText } from '../common/validators.js';
import type { BlobLink } from './blob-links.js';

export class BlobLinkQuery implements BlobLink {
  /** When the address expires, seconds since the epoch. */
  @ApiInteger()
  @NumberFromText()
  @IsInt()
  @IsPositive()
  expires: number;

  /** File name for the download. */
  @Matches(/^[\w.+-]{1,200}$/)
  filename: string;

  /** Media type. */
  @Matches(/^[\w.+-]{1,100}\/[\w.+-]{1,100}$/)
  type: string;

  /** Signature of all other parameters. */
  @Matches(/^[\w-]{43}$/)
  signature: string;
}
