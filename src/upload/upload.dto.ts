import { Transform, Type } from 'class-transformer';
import { IsObject, IsString, ValidateNested } from 'class-validator';
import { AgentCardChangesDto } from '../agents/index.js';
import { ApiProperty } from '@nestjs/swagger';
import { ApiId, ApiInteger, JSON_SCHEMA } from '../common/api-schema.js';
import { PermissionsDto } from '../common/permissions.dto.js';
import { VersionLimitsDto } from '../common/run-limits.dto.js';
import { IsFlag, IsVersion, MaxLength, NumberFromText, Optional } from '../common/validators.js';
import { ScanReport, ValidationReport } from '../validation/index.js';

/** The form fields beside the file. For an existing agent, the given fields change and the others stay. */
export class UploadFormDto extends AgentCardChangesDto {
  /** semver; unset: the next patch. */
  @Optional()
  @IsVersion()
  @MaxLength(64)
  version?: string;

  /** JSON, such as `{"timeout_ms":5000,"memory_mb":64}`. */
  @Optional()
  @IsObject({ message: 'limits must be a JSON object' })
  @ValidateNested()
  @Type(() => VersionLimitsDto)
  limits?: VersionLimitsDto;

  /** JSON: what this version may ask of the host, such as `{"http":{"hosts":["api.github.com"]},"kv":{}}`. Unset: nothing. */
  @Optional()
  @IsObject({ message: 'permissions must be a JSON object' })
  @ValidateNested()
  @Type(() => PermissionsDto)
  permissions?: PermissionsDto;

  /**
   * Whether this version bids from now on. Unset: if it is the highest release in service and its permissions are no
   * wider than those of the active version. A pre-release does so only while there is no release. `PUT` always activates.
   */
  @Optional()
  @IsFlag()
  activate?: boolean;

  // A form carries text, so these are read from text.

  /** `a,b`, a repeated field, or a JSON array. */
  @Transform(({ value }) => toList(value))
  override capabilities?: string[];

  @NumberFromText()
  override price?: number;

  @NumberFromText()
  override price_per_kb?: number;

  @NumberFromText()
  override expected_duration_ms?: number;

  @NumberFromText()
  override surge?: number;

  @NumberFromText()
  override max_concurrency?: number;

  /** JSON Schema of the inputs that the version takes. Tasks with other inputs exclude it. Unset: any input. */
  @Optional()
  @Transform(({ value }) => asText(value))
  @IsString({ message: 'input_schema must be a JSON object' })
  input_schema?: string;

  /** JSON Schema of the outputs that the version gives. An attempt with another output fails. Unset: any output. */
  @Optional()
  @Transform(({ value }) => asText(value))
  @IsString({ message: 'output_schema must be a JSON object' })
  output_schema?: string;
}

export class UploadedDto {
  @ApiId()
  agent_id: string;
  /**
   * Where to download the binary.
   * @example "/api/v1/agents/01993c5e-0b1d-7a52-8c3e-2f4a6b8c0d1e/binary?version=1.0.0"
   */
  binary_url: string;
  /**
   * SHA-256, lower-case hex.
   * @example "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476"
   */
  binary_hash: string;
  /**
   * Bytes.
   * @example 20480
   */
  @ApiInteger()
  binary_size: number;
  /** `unchanged`: these bytes were already this version. */
  status: 'uploaded' | 'unchanged';
  /**
   * Whether this version bids; `message` says why not.
   * @example true
   */
  active: boolean;
  /** @example "Version 1.0.0 is active: the agent bids for tasks." */
  message: string;
  /**
   * semver
   * @example "1.0.0"
   */
  version: string;
  validation: ValidationReport;
  /** As uploaded; null: the server's limits apply. */
  limits: VersionLimitsDto | null;
  /** What it may ask of the host, as uploaded; null: nothing. */
  permissions: PermissionsDto | null;
  /** The virus scanner's report. */
  scan: ScanReport;
  /** As uploaded; null: any input. */
  @ApiProperty(JSON_SCHEMA)
  input_schema: object | null;
  /** As uploaded; null: any output. */
  @ApiProperty(JSON_SCHEMA)
  output_schema: object | null;
}

/** Stops after one entry more than allowed: then the list is known to be too long. */
const MOST_ENTRIES = 100;

function toList(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (value.startsWith('[')) return fromJson(value);
  return value
    .split(',', MOST_ENTRIES)
    .map((entry) => entry.trim())
    .filter(Boolean);
}

/** A form carries only text, so an object is JSON in a field. */
export const withObjects = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, OBJECTS.includes(name) ? fromJson(value) : value]),
  );

const OBJECTS = ['limits', 'permissions'];

/** Example agents have objects where a form has their text. */
const asText = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? JSON.stringify(value) : value;

/** Text that is not JSON stays unchanged, and validation refuses it by name. */
function fromJson(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
