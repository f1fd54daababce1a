import { IsInt, IsPositive, Matches, Min } from 'class-validator';
import { ApiInteger, ApiTime } from '../common/api-schema.js';
import { NumberFromText } from '../common/validators.js';

export class AnnounceDepositDto {
  /**
   * Bytes.
   * @example 20480
   */
  @ApiInteger()
  @IsInt()
  @Min(1)
  size: number;

  /**
   * SHA-256, lower-case hex.
   * @example "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476"
   */
  @Matches(/^[0-9a-f]{64}$/, { message: 'sha256 must be 64 lower-case hex digits' })
  sha256: string;
}

/** The request that uploads the bytes. */
export class DepositUploadDto {
  method: 'PUT';
  /**
   * Absolute, or relative to this server. It needs no token, and accepts only the announced bytes.
   * @example "/api/v1/deposits/01993c5e-3a4b-7c6d-8e7f-1a2b3c4d5e6f/binary?expires=1795512600&size=20480"
   */
  url: string;
  /**
   * Send these headers unchanged.
   * @example { "Content-Type": "application/wasm" }
   */
  headers: Record<string, string>;
}

export class DepositDto {
  /**
   * For the field `deposit` of an upload, instead of the file.
   * @example "01993c5e-3a4b-7c6d-8e7f-1a2b3c4d5e6f.1795512600.20480.93a44bbb96c7….kK3x"
   */
  deposit: string;
  upload: DepositUploadDto;
  /** When the deposit expires. */
  @ApiTime()
  expires_at: string;
}

export class DepositLinkQuery {
  /** Seconds since the epoch. */
  @ApiInteger()
  @NumberFromText()
  @IsInt()
  @IsPositive()
  expires: number;

  /** Bytes. */
  @ApiInteger()
  @NumberFromText()
  @IsInt()
  @IsPositive()
  size: number;

  /** SHA-256, lower-case hex. */
  @Matches(/^[0-9a-f]{64}$/)
  sha256: string;

  /** Signature of all other parameters. */
  @Matches(/^[\w-]{43}$/)
  signature: string;
}
