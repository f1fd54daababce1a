import { Body, Controller, Get, Param, Put } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import { presentLimit, SetLimitsDto, SpendingLimitsDto, toNewLimits } from './spending-limits.dto.js';
import { SpendingLimits } from './spending-limits.js';

@ApiTags('ledger')
@Access('session')
@Controller('ledger/limits')
export class SpendingLimitsController {
  constructor(private readonly limits: SpendingLimits) {}

  /** What you may spend on tasks, and what is left of it today. */
  @Access('ledger:read')
  @Get()
  @ApiOperation({ operationId: 'getSpendingLimits' })
  @ApiOkResponse({ type: SpendingLimitsDto, description: 'The limits of your account and of its API keys.' })
  @ApiProblems(401, 403)
  async list(@CurrentCaller() caller: Caller): Promise<SpendingLimitsDto> {
    return { items: (await this.limits.of(caller.id)).map(presentLimit) };
  }

  /**
   * Limits what your account may spend on tasks. Needs a login: an API key cannot change limits.
   * @remarks A limit refuses submissions and retries (403 `SPENDING_LIMIT_EXCEEDED`); tasks that were accepted go on. Days
   * begin at midnight UTC. A task counts on the day of its submission.
   */
  @Put()
  @ApiOperation({ operationId: 'setSpendingLimits' })
  @ApiOkResponse({ type: SpendingLimitsDto, description: 'All limits as they stand now.' })
  @ApiProblems(400, 401, 403, 413, 415)
  async set(@CurrentCaller() caller: Caller, @Body() dto: SetLimitsDto): Promise<SpendingLimitsDto> {
    await this.limits.set(caller, null, toNewLimits(dto));
    return this.list(caller);
  }

  /**
   * Limits what one of your API keys may spend on tasks. Needs a login: an API key cannot change limits.
   * @remarks What keys spend that were made with this key counts as well, and so do the limits of the account.
   * @param id UUID of the key
   */
  @Put('keys/:id')
  @ApiOperation({ operationId: 'setApiKeySpendingLimits' })
  @ApiOkResponse({ type: SpendingLimitsDto, description: 'All limits as they stand now.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  async setForKey(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() dto: SetLimitsDto,
  ): Promise<SpendingLimitsDto> {
    await this.limits.set(caller, id.toLowerCase(), toNewLimits(dto));
    return this.list(caller);
  }
}
