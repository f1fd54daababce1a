import { ApiExtraModels, ApiProperty, getSchemaPath } from '@nestjs/swagger';
import { ApiInteger } from '../common/api-schema.js';

export class LiveDto {
  status: 'ok';
}

export class DependencyHealth {
  status: 'up' | 'down';
  /**
   * Whether this process is not ready without it.
   * @example true
   */
  required: boolean;
  /**
   * How long the check took, ms.
   * @example 3
   */
  @ApiInteger()
  ms: number;
  /**
   * Why it is down: the class of the fault. The log has the service's own text.
   * @example "ECONNREFUSED"
   */
  reason?: string;
}

@ApiExtraModels(DependencyHealth)
export class ReadyDto {
  status: 'ready' | 'not_ready';
  /**
   * Release of ZeroState that this process runs.
   * @example "0.1.0"
   */
  version: string;
  /**
   * By name of the dependency.
   * @example { "database": { "status": "up", "required": true, "ms": 3 } }
   */
  @ApiProperty({ type: 'object', additionalProperties: { $ref: getSchemaPath(DependencyHealth) } })
  dependencies: Record<string, DependencyHealth>;
}
