import { Body, Controller, Get, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import { LOG_LEVELS, type LogLevel } from '../config/index.js';
import { SharedLogLevel } from '../feed/index.js';
import { logLevel } from '../observability/index.js';
import { AuditTrail } from './audit-trail.js';
import { type Caller, CurrentCaller } from './caller.js';

class LogLevelDto {
  /**
   * The least severe lines that are written.
   * @example "debug"
   */
  @ApiProperty({ enum: LOG_LEVELS })
  @IsIn(LOG_LEVELS)
  level: LogLevel;
}

/** Here rather than with the log: what an admin changes is written into the audit trail. */
@ApiTags('operations')
@Access('admin')
@Controller('log-level')
export class LogLevelController {
  constructor(
    private readonly audit: AuditTrail,
    private readonly logLevels: SharedLogLevel,
  ) {}

  /** How much the process that answers writes into its log. */
  @Get()
  @ApiOperation({ operationId: 'getLogLevel' })
  @ApiOkResponse({ type: LogLevelDto, description: 'The level.' })
  @ApiProblems(401, 403)
  get(): LogLevelDto {
    return { level: logLevel() };
  }

  /**
   * Changes how much every process of the installation writes into its log, until it ends.
   * @remarks The process that answers does so from now on, the others as soon as they are told. One that is cut off from them at
   * that moment keeps its level, and one that starts later begins with its `LOG_LEVEL`: to be sure, set it again.
   */
  @Put()
  @ApiOperation({ operationId: 'setLogLevel' })
  @ApiOkResponse({ type: LogLevelDto, description: 'The level from now on.' })
  @ApiProblems(400, 401, 403, 413, 415)
  async set(@CurrentCaller() caller: Caller, @Body() { level }: LogLevelDto): Promise<LogLevelDto> {
    const details = { from: logLevel(), to: level, pid: process.pid };
    await this.audit.record({ type: 'log_level.changed', by: caller, details });
    this.logLevels.set(level);
    return { level };
  }
}
