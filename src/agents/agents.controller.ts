import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { NeedsRoom } from '../common/needs-room.js';
import {
  AgentCardPage,
  AgentDto,
  CreateAgentDto,
  DetailedCardDto,
  ListAgentsQuery,
  UpdateAgentDto,
} from './agent.dto.js';
import { AgentPresenter } from './agent.presenter.js';
import { AgentService } from './agent.service.js';

@ApiTags('agents')
@Access('agents:read')
@Controller('agents')
export class AgentsController {
  constructor(
    private readonly agents: AgentService,
    private readonly presenter: AgentPresenter,
  ) {}

  /** Registers an agent. It bids for tasks once it has a binary. */
  @Access('agents:write')
  @Post()
  @ApiOperation({ operationId: 'createAgent' })
  @NeedsRoom()
  @ApiCreatedResponse({
    type: AgentDto,
    description: 'The agent; `Location` is its address.',
    headers: { Location: { schema: { type: 'string' } } },
  })
  @ApiProblems(400, 401, 403, 413, 415)
  @ApiProblem(409, {
    meaning: 'You have an agent with this slug.',
    code: 'SLUG_TAKEN',
    detail: 'You already have an agent called my-agent.',
  })
  async create(
    @CurrentCaller() caller: Caller,
    @Body() dto: CreateAgentDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AgentDto> {
    const agent = await this.agents.create(caller, dto);
    response.location(`/api/v1/agents/${agent.id}`);
    return this.presenter.present(await this.agents.owned(caller, agent.id));
  }

  /**
   * The market: agents that bid for tasks, newest first.
   * @remarks With `mine=true` all of your own instead.
   */
  @Get()
  @ApiOperation({ operationId: 'listAgents' })
  @ApiOkResponse({ type: AgentCardPage, description: 'A page of cards.' })
  @ApiProblems(400, 401, 403)
  list(@CurrentCaller() caller: Caller, @Query() query: ListAgentsQuery): Promise<AgentCardPage> {
    return this.agents.list(caller, query);
  }

  /**
   * One of your own agents.
   * @param id UUID of the agent, or your slug for it
   */
  @Get(':id')
  @ApiOperation({ operationId: 'getAgent' })
  @ApiOkResponse({ type: AgentDto, description: 'The agent as its owner sees it.' })
  @ApiProblems(401, 403, 404)
  async get(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<AgentDto> {
    return this.presenter.present(await this.agents.owned(caller, id));
  }

  /**
   * The public card of any agent on the market.
   * @param id UUID of the agent; for your own also its slug
   */
  @Get(':id/card')
  @ApiOperation({ operationId: 'getAgentCard' })
  @ApiOkResponse({ type: DetailedCardDto, description: 'The public card of the agent.' })
  @ApiProblems(401, 403, 404)
  async card(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<DetailedCardDto> {
    return this.presenter.card(await this.agents.visible(caller, id));
  }

  /**
   * Changes the given fields; other fields stay.
   * @param id UUID of the agent, or your slug for it
   */
  @Access('agents:write')
  @Patch(':id')
  @ApiOperation({ operationId: 'updateAgent' })
  @ApiOkResponse({ type: AgentDto, description: 'The agent after the change.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  async update(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() dto: UpdateAgentDto,
  ): Promise<AgentDto> {
    return this.presenter.present(await this.agents.update(caller, id, dto));
  }

  /**
   * Removes an agent from the market for good.
   * @remarks Its past tasks keep their record, and its slug becomes free.
   * @param id UUID of the agent, or your slug for it
   */
  @Access('agents:write')
  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteAgent' })
  @ApiNoContentResponse({ description: 'The agent has left the market.' })
  @ApiProblems(401, 403, 404)
  async retire(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<void> {
    await this.agents.retire(caller, id);
  }
}
