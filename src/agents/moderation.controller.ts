import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { AgentDto, AgentPage, BlockAgentDto, ListModeratedQuery } from './agent.dto.js';
import { AgentPresenter } from './agent.presenter.js';
import { ModerationService } from './moderation.service.js';

@ApiTags('moderation')
@Access('admin')
@Controller()
export class ModerationController {
  constructor(
    private readonly moderation: ModerationService,
    private readonly presenter: AgentPresenter,
  ) {}

  /** Agents that await approval, newest first; or those that are blocked. */
  @Get('moderation/agents')
  @ApiOperation({ operationId: 'listModeratedAgents' })
  @ApiOkResponse({ type: AgentPage, description: 'A page of agents as their owners see them.' })
  @ApiProblems(400, 401, 403)
  list(@Query() query: ListModeratedQuery): Promise<AgentPage> {
    return this.moderation.list(query);
  }

  /**
   * Blocks an agent: it leaves the market and does not bid until an admin lifts the block.
   * @remarks Its owner sees the reason and may still pause, change or delete it. Its running tasks continue.
   * @param id UUID of the agent
   */
  @Post('agents/:id/block')
  @HttpCode(200)
  @ApiOperation({ operationId: 'blockAgent' })
  @ApiOkResponse({ type: AgentDto, description: 'The agent, blocked.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  async block(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() { reason }: BlockAgentDto,
  ): Promise<AgentDto> {
    return this.presenter.present(await this.moderation.block(caller, id, reason));
  }

  /**
   * Lifts a block: the agent bids again if its owner has it active.
   * @param id UUID of the agent
   */
  @Post('agents/:id/unblock')
  @HttpCode(200)
  @ApiOperation({ operationId: 'unblockAgent' })
  @ApiOkResponse({ type: AgentDto, description: 'The agent, allowed.' })
  @ApiProblems(401, 403, 404)
  @ApiProblem(409, {
    meaning: 'The agent is not blocked: it is new and awaits approval.',
    code: 'AWAITS_APPROVAL',
    detail: 'The agent is not blocked, it awaits approval: POST …/approve lets it onto the market.',
  })
  async unblock(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<AgentDto> {
    return this.presenter.present(await this.moderation.unblock(caller, id));
  }

  /**
   * Approves a new agent, where the server asks for that (`AGENT_APPROVAL`).
   * @param id UUID of the agent
   */
  @Post('agents/:id/approve')
  @HttpCode(200)
  @ApiOperation({ operationId: 'approveAgent' })
  @ApiOkResponse({ type: AgentDto, description: 'The agent, allowed.' })
  @ApiProblems(401, 403, 404)
  @ApiProblem(409, {
    meaning: 'The agent is blocked.',
    code: 'AGENT_BLOCKED',
    detail: 'The agent is blocked: POST …/unblock lifts that.',
  })
  async approve(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<AgentDto> {
    return this.presenter.present(await this.moderation.approve(caller, id));
  }
}
