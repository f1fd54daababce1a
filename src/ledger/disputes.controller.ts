import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentCaller, roleRequired } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { DisputeDto, DisputePage, DisputeTextDto, ListDisputesQuery, OpenDisputeDto } from './disputes.dto.js';
import { Disputes } from './disputes.js';

const ApiDecided = () =>
  ApiProblem(409, {
    meaning: 'The dispute was decided before.',
    code: 'ALREADY_DECIDED',
    detail: 'This dispute is rejected already.',
  });

@ApiTags('ledger')
@Controller('ledger/disputes')
export class DisputesController {
  constructor(private readonly disputes: Disputes) {}

  /** Disputes a completed task of yours, within `DISPUTE_DAYS`. What its owner earned stays pending until an admin decides. */
  @Access('ledger:write')
  @Post()
  @ApiOperation({ operationId: 'openDispute' })
  @ApiCreatedResponse({ type: DisputeDto, description: 'The dispute, open.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  @ApiProblem(409, {
    meaning:
      'It is too late, or your own agent did the task (`NOT_DISPUTABLE`); or the task is or was in dispute (`ALREADY_DISPUTED`).',
    code: 'NOT_DISPUTABLE',
    detail: 'The time in which this task could be disputed is over.',
  })
  open(@CurrentCaller() caller: Caller, @Body() { task_id, reason }: OpenDisputeDto): Promise<DisputeDto> {
    return this.disputes.open(caller, task_id.toLowerCase(), reason);
  }

  /** Disputes that you opened or that are about your agents, newest first. Admins may ask for those of all accounts. */
  @Access('ledger:read')
  @Get()
  @ApiOperation({ operationId: 'listDisputes' })
  @ApiOkResponse({ type: DisputePage, description: 'A page of disputes.' })
  @ApiProblems(400, 401, 403)
  list(@CurrentCaller() caller: Caller, @Query() query: ListDisputesQuery): Promise<DisputePage> {
    if (query.all && caller.role !== 'admin') throw roleRequired();
    return this.disputes.list(query.all ? null : caller.id, query);
  }

  /**
   * A dispute that you opened or that is about an agent of yours.
   * @param id UUID of the dispute
   */
  @Access('ledger:read')
  @Get(':id')
  @ApiOperation({ operationId: 'getDispute' })
  @ApiOkResponse({ type: DisputeDto, description: 'The dispute as it stands.' })
  @ApiProblems(401, 403, 404)
  get(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<DisputeDto> {
    return this.disputes.look(caller, id);
  }

  /**
   * The answer of the agent's owner; a second one replaces the first.
   * @param id UUID of the dispute
   */
  @Access('ledger:write')
  @Post(':id/answer')
  @HttpCode(200)
  @ApiOperation({ operationId: 'answerDispute' })
  @ApiOkResponse({ type: DisputeDto, description: 'The dispute with the answer.' })
  @ApiDecided()
  @ApiProblems(400, 401, 403, 404, 413, 415)
  answer(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() { text }: DisputeTextDto,
  ): Promise<DisputeDto> {
    return this.disputes.answer(caller, id, text);
  }

  /**
   * Decides for the submitter, who gets price and fee back.
   * @param id UUID of the dispute
   */
  @Access('admin')
  @Post(':id/uphold')
  @HttpCode(200)
  @ApiOperation({ operationId: 'upholdDispute' })
  @ApiOkResponse({ type: DisputeDto, description: 'The dispute, upheld.' })
  @ApiDecided()
  @ApiProblems(400, 401, 403, 404, 413, 415)
  uphold(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() { text }: DisputeTextDto,
  ): Promise<DisputeDto> {
    return this.disputes.uphold(caller, id, text);
  }

  /**
   * Decides for the agent's owner, who keeps the earnings.
   * @param id UUID of the dispute
   */
  @Access('admin')
  @Post(':id/reject')
  @HttpCode(200)
  @ApiOperation({ operationId: 'rejectDispute' })
  @ApiOkResponse({ type: DisputeDto, description: 'The dispute, rejected.' })
  @ApiDecided()
  @ApiProblems(400, 401, 403, 404, 413, 415)
  reject(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() { text }: DisputeTextDto,
  ): Promise<DisputeDto> {
    return this.disputes.reject(caller, id, text);
  }
}
