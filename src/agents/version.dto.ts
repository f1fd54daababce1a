import { ApiProperty, type ApiPropertyOptions } from '@nestjs/swagger';

import { IsVersion, MaxLength, Optional } from '../common/validators.js';
import { ApiId, ApiInteger, ApiTime, JSON_SCHEMA } from '../common/api-schema.js';
import type { Page } from '../common/pagination.js';
import { PermissionsDto } from '../common/permissions.dto.js';
import { VersionLimitsDto } from '../common/run-limits.dto.js';
import { RedirectQuery } from '../storage/index.js';
import type { ScanVerdict } from './agent-binary.entity.js';

export class DownloadQuery extends RedirectQuery {
  /**
   * Unset: the active version.
   * @example "1.0.0"
   */
  @Optional()
  @IsVersion()
  @MaxLength(64)
  version?: string;
}

export class RetireQuery {
  /**
   * Unset: all versions.
   * @example "1.0.0"
   */
  @Optional()
  @IsVersion()
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
   * `active`: bids. `inactive`: can be activated. `retired`: permanently; its bytes are deleted once no task needs
   * them. `quarantined`: a virus scan found something in it after its upload.
   */
  status: 'active' | 'inactive' | 'retired' | 'quarantined';
  /**
   * Whether this is the version that bids.
   * @example true
   */
  active: boolean;
  /**
   * SHA-256 of the binary, lower-case hex.
   * @example "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476"
   */
  binary_hash: string;
  /**
   * Bytes.
   * @example 20480
   */
  @ApiInteger()
  binary_size: number;
  /** The validation report of the upload. */
  // Referenced by name: the report belongs to the validation module, which agents do not import.
  @ApiProperty({ type: 'object', allOf: [{ $ref: '#/components/schemas/ValidationReport' }] } as ApiPropertyOptions)
  validation: Record<string, unknown>;
  /** The virus scanner's report. */
  @ApiProperty({ type: 'object', allOf: [{ $ref: '#/components/schemas/ScanReport' }] } as ApiPropertyOptions)
  scan: ScanVerdict;
  /** As uploaded; null: the server's limits apply. */
  limits: VersionLimitsDto | null;
  /** What it may ask of the host, as uploaded; null: nothing. */
  permissions: PermissionsDto | null;
  /** User id. */
  @ApiId()
  uploaded_by: string;
  @ApiTime()
  created_at: string;
  @ApiTime()
  retired_at: string | null;
  /** JSON Schema of the inputs it takes; null: any. */
  @ApiProperty(JSON_SCHEMA)
  input_schema: object | null;
  /** JSON Schema of the outputs it gives; null: any. */
  @ApiProperty(JSON_SCHEMA)
  output_schema: object | null;
}

export class VersionPage implements Page<VersionDto> {
  /** Newest first. */
  items: VersionDto[];
  /** `cursor` of the next page; null on the last. */
  @ApiId()
  next_cursor: string | null;
}

export class RetiredDto {
  @ApiId()
  agent_id: string;
  /**
   * Versions that this request retired.
   * @example ["1.0.0"]
   */
  retired: string[];
  /**
   * The version that bids; null when none does.
   * @example null
   */
  active_version: string | null;
  /** @example "No version is active: the agent does not bid until you upload or activate one." */
  message: string;
}
