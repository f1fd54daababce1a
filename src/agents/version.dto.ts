import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';
import { IsOptional, IsSemVer, MaxLength } from 'class-validator';
import { ApiId, ApiInteger, ApiTime } from '../common/api-schema.js';
import type { ScanVerdict } from './agent-binary.entity.js';

export class BinaryQuery {
  /**
   * Unset: the active version.
   * @example "1.0.0"
   */
  @IsOptional()
  @IsSemVer()
  @MaxLength(64)
  version?: string;
}

/** One uploaded binary of an agent. */
export class VersionDto {
  /**
   * semver
   * @example "1.0.0"
   */
  version: string;
  /**
   * SHA-256 of the binary, lower-case hex.
   * @example "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476"
   */
  binary_hash: string;
  /** Bytes. */
  @ApiInteger()
  binary_size: number;
  /** Whether this is the version that bids. */
  active: boolean;
  /** The validation report of the upload. */
  // By name: the report belongs to the module that validates, which agents know nothing of.
  @ApiProperty({ type: 'object', allOf: [{ $ref: '#/components/schemas/ValidationReport' }] } as ApiPropertyOptions)
  validation: Record<string, unknown>;
  /** What the virus scanner says of it. */
  @ApiProperty({ type: 'object', allOf: [{ $ref: '#/components/schemas/ScanReport' }] } as ApiPropertyOptions)
  scan: ScanVerdict;
  /** User id. */
  @ApiId()
  uploaded_by: string;
  @ApiTime()
  created_at: string;
}

export class VersionListDto {
  /** Newest first. */
  items: VersionDto[];
}
