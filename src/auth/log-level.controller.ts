import { Body, Controller, Get, Ip, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import { LOG_LEVELS, type LogLevel } from '../config/index.js';
import { logLevel, setLogLevel } from '../observability/index.js';
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
  constructor(private readonly audit: AuditTrail) {}

  /** How much this process writes into its log. */
  @Get()
  @ApiOperation({ operationId: 'getLogLevel' })
  @ApiOkResponse({ type: LogLevelDto, description: 'The level.' })
  @ApiProblems(401, 403)
  get(): LogLevelDto {
    return { level: logLevel() };
  }

  /** Changes how much the process that answers writes into its log, until it ends; other processes go on as before. */
  @Put()
  @ApiOperation({ operationId: 'setLogLevel' })
  @ApiOkResponse({ type: LogLevelDto, description: 'The level from now on.' })
  @ApiProblems(400, 401, 403, 413, 415)
  async set(
    @CurrentCaller() { id }: Caller,
    @Body() { level }: LogLevelDto,
    @Ip() address: string,
  ): Promise<LogLevelDto> {
    const details = { from: logLevel(), to: level, pid: process.pid };
    await this.audit.record({ type: 'log_level.changed', actorId: id, subjectId: id, address, details });
    setLogLevel(level);
    return { level };
  }
}
