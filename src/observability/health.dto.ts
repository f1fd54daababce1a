import { ApiExtraModels, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { ApiInteger } from '../common/api-schema.js';

export class LiveDto {
  status: 'ok';
}

export class DependencyHealth {
  status: 'up' | 'down';
  /** Whether this process is of use without it. */
  required: boolean;
  /** How long the check took, ms. */
  @ApiInteger()
  ms: number;
  /**
   * Why it is down.
   * @example "ECONNREFUSED"
   */
  reason?: string;
}

@ApiExtraModels(DependencyHealth)
export class ReadyDto {
  status: 'ready' | 'not_ready';
  /** By name of the dependency. */
  @ApiProperty({ type: 'object', additionalProperties: { $ref: getSchemaPath(DependencyHealth) } })
  dependencies: Record<string, DependencyHealth>;
}
