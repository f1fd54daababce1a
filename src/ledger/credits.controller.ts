import { Body, Controller, Get, HttpCode, Post, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { positive } from './amounts.js';
import { CorrectionDto, CreditDto, GrantDto, LedgerTotalsDto, TopUpDto } from './credits.dto.js';
import { Credits } from './credits.js';

@ApiTags('ledger')
@Access('admin')
@Controller('ledger')
export class CreditsController {
  constructor(private readonly credits: Credits) {}

  /** Gives an account credits. */
  @Post('grants')
  @ApiOperation({ operationId: 'grantCredits' })
  @ApiCreatedResponse({ type: CreditDto, description: 'The credits were added.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  grant(@CurrentCaller() caller: Caller, @Body() { user_id, amount, reason }: GrantDto): Promise<CreditDto> {
    return this.credits.grant(caller, creditOf(user_id, amount), reason);
  }

  /** Adds credits to an account, or removes some, to put a mistake right. */
  @Post('corrections')
  @ApiOperation({ operationId: 'correctCredits' })
  @ApiCreatedResponse({ type: CreditDto, description: 'The balance was corrected.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  @ApiProblem(409, {
    meaning: 'The account has fewer available credits than are to be removed.',
    code: 'BALANCE_TOO_LOW',
    detail: 'The account has fewer than 50 available credits. Nothing was written.',
  })
  correct(
    @CurrentCaller() caller: Caller,
    @Body() { user_id, amount, reason, direction }: CorrectionDto,
  ): Promise<CreditDto> {
    return this.credits.correct(caller, creditOf(user_id, amount), reason, direction);
  }

  /**
   * Credits a payment, for the webhook of a payment provider.
   * @remarks The key needs the scope `ledger:write` alone, and must belong to an admin. The same `reference` again answers 200
   * and changes nothing.
   */
  @Access('ledger:write')
  @Post('topups')
  @HttpCode(201)
  @ApiOperation({ operationId: 'topUpCredits' })
  @ApiCreatedResponse({ type: CreditDto, description: 'The credits were added.' })
  @ApiOkResponse({ type: CreditDto, description: 'This reference was credited before.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  @ApiProblem(422, {
    meaning: 'The reference came with another account or amount before.',
    code: 'REFERENCE_REUSED',
    detail: 'This reference came with another account or amount before. Nothing was written.',
  })
  async topUp(
    @CurrentCaller() caller: Caller,
    @Body() { user_id, amount, reference }: TopUpDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CreditDto> {
    const { added, ...credit } = await this.credits.topUp(caller, creditOf(user_id, amount), reference);
    if (!added) response.status(200);
    return credit;
  }

  /** What all accounts have together. */
  @Get('totals')
  @ApiOperation({ operationId: 'getLedgerTotals' })
  @ApiOkResponse({ type: LedgerTotalsDto, description: 'The sums at this moment.' })
  @ApiProblems(401, 403)
  totals(): Promise<LedgerTotalsDto> {
    return this.credits.totals();
  }
}

const creditOf = (userId: string, amount: string | number) => ({
  userId: userId.toLowerCase(),
  amountMicro: positive(amount),
});
