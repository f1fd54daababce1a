import { Transform, Type } from 'class-transformer';
import { IsInt, IsOptional, IsSemVer, Length, Max, MaxLength, Min } from 'class-validator';
import { IsAmount, IsCapabilities, IsPlainText } from '../common/validators.js';
import { ValidationReport } from '../validation/index.js';

/** The form beside the file. For an agent that exists, what is named changes and the rest stays. */
export class UploadFormDto {
  @IsOptional()
  @Length(1, 120)
  @IsPlainText()
  name?: string;

  @IsOptional()
  @MaxLength(2000)
  @IsPlainText()
  description?: string;

  /** semver; unset: the next patch. */
  @IsOptional()
  @IsSemVer()
  @MaxLength(64)
  version?: string;

  /** `a,b`, a repeated field, or a JSON array. */
  @IsOptional()
  @Transform(({ value }) => toList(value))
  @IsCapabilities()
  capabilities?: string[];

  /** Credits for one task. */
  @IsOptional()
  @IsAmount(0.5)
  price?: string;

  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(86_400_000)
  expected_duration_ms?: number;
}

export class UploadedDto {
  agent_id: string;
  /** Where the binary can be downloaded. */
  binary_url: string;
  /** SHA-256, lower-case hex. */
  binary_hash: string;
  /** Bytes. */
  binary_size: number;
  /** `unchanged`: these bytes were this version already. */
  status: 'uploaded' | 'unchanged';
  message: string;
  /** semver */
  version: string;
  validation: ValidationReport;
}

function toList(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (value.startsWith('[')) {
    try {
      return JSON.parse(value);
    } catch {
      return value;
    }
  }
  return value
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean);
}
