import { Controller, Get, Query, Res, StreamableFile } from '@nestjs/common';
import { ApiExtraModels, ApiOkResponse, ApiOperation, ApiTags, getSchemaPath } from '@nestjs/swagger';
import type { Response } from 'express';
import { AuditTrail, type Caller, CurrentCaller, owns, roleRequired } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import { amountToWire } from '../common/money.js';
import { Ledger } from './ledger.js';
import { StatementDto, StatementQuery } from './statement.dto.js';
import { Statements } from './statement.js';
import { BalanceDto, ListTransfersQuery, OfAccountQuery, TransferPage } from './transfer.dto.js';
import { Transfers } from './transfers.js';

@ApiTags('ledger')
@ApiExtraModels(StatementDto)
@Access('ledger:read')
@Controller('ledger')
export class LedgerController {
  constructor(
    private readonly ledger: Ledger,
    private readonly transfers: Transfers,
    private readonly statements: Statements,
    private readonly audit: AuditTrail,
  ) {}

  /** What your account has. */
  @Get('balance')
  @ApiOperation({ operationId: 'getBalance' })
  @ApiOkResponse({ type: BalanceDto, description: 'Credits at this moment.' })
  @ApiProblems(400, 401, 403)
  async balance(@CurrentCaller() caller: Caller, @Query() { user_id }: OfAccountQuery): Promise<BalanceDto> {
    const { availableMicro, heldMicro, pendingMicro } = await this.ledger.balanceOf(
      await this.account(caller, user_id),
    );
    return {
      available: amountToWire(availableMicro),
      held: amountToWire(heldMicro),
      pending: amountToWire(pendingMicro),
    };
  }

  /** Every movement of your credits, newest first. */
  @Get('transfers')
  @ApiOperation({ operationId: 'listTransfers' })
  @ApiOkResponse({ type: TransferPage, description: 'A page of transfers.' })
  @ApiProblems(400, 401, 403)
  async list(@CurrentCaller() caller: Caller, @Query() query: ListTransfersQuery): Promise<TransferPage> {
    return this.transfers.list(await this.account(caller, query.user_id), query);
  }

  /**
   * What you bought and earned in a month, a line for each task, and what else changed your credits.
   * @remarks `format=csv` answers the whole month as a file; JSON comes in pages.
   */
  @Get('statement')
  @ApiOperation({ operationId: 'getStatement' })
  @ApiOkResponse({
    description: 'The statement; with `format=csv` its lines as a file.',
    content: {
      'application/json': { schema: { $ref: getSchemaPath(StatementDto) } },
      'text/csv': { schema: { type: 'string' } },
    },
  })
  @ApiProblems(400, 401, 403)
  async statement(
    @CurrentCaller() caller: Caller,
    @Query() query: StatementQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<StatementDto | StreamableFile> {
    const userId = await this.account(caller, query.user_id);
    if (query.format === 'json') return this.statements.page(userId, query.month, query);
    response.setHeader('Cache-Control', 'no-store');
    return new StreamableFile(this.statements.csv(userId, query.month), {
      type: 'text/csv; charset=utf-8',
      disposition: `attachment; filename="zerostate-statement-${query.month}.csv"`,
    });
  }

  /** The account that the caller asks about. @throws AppError `forbidden` `ROLE_REQUIRED` */
  private async account(caller: Caller, asked?: string): Promise<string> {
    const userId = asked?.toLowerCase() ?? caller.id;
    if (!owns(caller, userId)) throw roleRequired();
    await this.audit.recordRead({ type: 'ledger.read', by: caller, subjectId: userId });
    return userId;
  }
}
