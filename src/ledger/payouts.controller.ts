import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentCaller, roleRequired } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { positive } from './amounts.js';
import { ApiInsufficientCredits } from './insufficient-credits.js';
import {
  ConfirmPayoutDto,
  ListPayoutsQuery,
  PayoutDto,
  PayoutPage,
  ReasonDto,
  RequestPayoutDto,
} from './payouts.dto.js';
import { Payouts } from './payouts.js';

const ApiDecided = () =>
  ApiProblem(409, {
    meaning: 'The payout was paid or rejected before.',
    code: 'ALREADY_DECIDED',
    detail: 'This payout is paid already.',
  });

@ApiTags('ledger')
@Controller('ledger/payouts')
export class PayoutsController {
  constructor(private readonly payouts: Payouts) {}

  /** Asks the operator to pay out available credits; they are held until an admin decides. */
  @Access('ledger:write')
  @Post()
  @ApiOperation({ operationId: 'requestPayout' })
  @ApiCreatedResponse({ type: PayoutDto, description: 'The payout, requested.' })
  @ApiInsufficientCredits()
  @ApiProblems(400, 401, 403, 413, 415)
  request(@CurrentCaller() caller: Caller, @Body() { amount, note }: RequestPayoutDto): Promise<PayoutDto> {
    return this.payouts.request(caller, positive(amount), note ?? null);
  }

  /** Your payouts, newest first. Admins may ask for those of another account, or of all. */
  @Access('ledger:read')
  @Get()
  @ApiOperation({ operationId: 'listPayouts' })
  @ApiOkResponse({ type: PayoutPage, description: 'A page of payouts.' })
  @ApiProblems(400, 401, 403)
  list(@CurrentCaller() caller: Caller, @Query() query: ListPayoutsQuery): Promise<PayoutPage> {
    const isOwn = !query.all && (query.user_id ?? caller.id) === caller.id;
    if (!isOwn && caller.role !== 'admin') throw roleRequired();
    return this.payouts.list(query.all ? null : (query.user_id ?? caller.id), query);
  }

  /**
   * Records that the payout was paid.
   * @param id UUID of the payout
   */
  @Access('admin')
  @Post(':id/confirm')
  @HttpCode(200)
  @ApiOperation({ operationId: 'confirmPayout' })
  @ApiOkResponse({ type: PayoutDto, description: 'The payout, paid.' })
  @ApiDecided()
  @ApiProblems(400, 401, 403, 404, 413, 415)
  confirm(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() { reference }: ConfirmPayoutDto,
  ): Promise<PayoutDto> {
    return this.payouts.confirm(caller, id, reference);
  }

  /**
   * Rejects the payout; the credits are available again.
   * @param id UUID of the payout
   */
  @Access('admin')
  @Post(':id/reject')
  @HttpCode(200)
  @ApiOperation({ operationId: 'rejectPayout' })
  @ApiOkResponse({ type: PayoutDto, description: 'The payout, rejected.' })
  @ApiDecided()
  @ApiProblems(400, 401, 403, 404, 413, 415)
  reject(@CurrentCaller() caller: Caller, @Param('id') id: string, @Body() { reason }: ReasonDto): Promise<PayoutDto> {
    return this.payouts.reject(caller, id, reason);
  }
}
