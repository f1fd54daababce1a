import { IsInt, IsPositive, Matches } from 'class-validator';
import { ApiInteger } from '../common/api-schema.js';
import { NumberFromText } from '../common/validators.js';
import type { BlobLink } from './blob-links.js';

export class BlobLinkQuery implements BlobLink {
  /** Until when the address works, seconds since the epoch. */
  @ApiInteger()
  @NumberFromText()
  @IsInt()
  @IsPositive()
  expires: number;

  /** What the file is to be called. */
  @Matches(/^[\w.+-]{1,200}$/)
  filename: string;

  /** Media type. */
  @Matches(/^[\w.+-]{1,100}\/[\w.+-]{1,100}$/)
  type: string;

  /** Vouches for all the rest. */
  @Matches(/^[\w-]{43}$/)
  signature: string;
}
