import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { SUBMISSION_EXAMPLES, SubmitTaskDto } from '../task-api/index.js';
import { Auctions } from './auctions.service.js';
import { AuctionQuery, SimulatedAuctionDto, TaskAuctionDto } from './explanation.dto.js';

@ApiTags('auctions')
@Controller()
export class AuctionsController {
  constructor(private readonly auctions: Auctions) {}

  /**
   * Why this agent: every bid with every term of its score, who was excluded for what reason, and at which price the
   * runner-up would have won.
   * @param id UUID of the task
   */
  @Get('tasks/:id/auction')
  @Access('tasks:read')
  @ApiOperation({ operationId: 'getTaskAuction' })
  @ApiOkResponse({ type: TaskAuctionDto, description: 'The scoreboards as the awards were decided on.' })
  @ApiProblems(400, 401, 403)
  @ApiProblem(404, {
    meaning:
      'There is no such task, it is not yours (`NOT_FOUND`), or its auction is still to come (`NO_AUCTION_YET`).',
    code: 'NO_AUCTION_YET',
    detail: 'This task has not been auctioned yet.',
  })
  auction(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() query: AuctionQuery,
  ): Promise<TaskAuctionDto> {
    return this.auctions.of(caller, id, query.verify);
  }

  /**
   * Who would win now, and why; nothing is written.
   * @remarks Takes what `POST /tasks` takes.
   */
  @Post('auctions/simulate')
  @Access('tasks:write')
  @HttpCode(200)
  @ApiOperation({ operationId: 'simulateAuction' })
  @ApiBody({ type: SubmitTaskDto, examples: SUBMISSION_EXAMPLES })
  @ApiOkResponse({ type: SimulatedAuctionDto, description: 'The scoreboard that would be decided on.' })
  @ApiProblems(400, 401, 403, 413, 415)
  @ApiProblem(422, {
    meaning: '`input_ref` names no document of yours.',
    code: 'INPUT_UNKNOWN',
    detail: 'You have brought no such input, or its time is over: bring it to POST /tasks/inputs.',
  })
  simulate(@CurrentCaller() caller: Caller, @Body() dto: SubmitTaskDto): Promise<SimulatedAuctionDto> {
    return this.auctions.simulate(caller, dto);
  }
}
