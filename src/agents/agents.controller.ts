import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { ApiProblems } from '../common/api-problems.js';
import { AgentCardDto, AgentCardPage, AgentDto, CreateAgentDto, ListAgentsQuery, UpdateAgentDto } from './agent.dto.js';
import { AgentService } from './agent.service.js';

@ApiTags('agents')
@Controller('agents')
export class AgentsController {
  constructor(private readonly agents: AgentService) {}

  /** Registers an agent. It bids for tasks once it has a binary. */
  @Post()
  @ApiProblems(400, 401, 409)
  async create(
    @CurrentCaller() caller: Caller,
    @Body() dto: CreateAgentDto,
    @Res({ passthrough: true }) response: Response,
  ): Promise<AgentDto> {
    const agent = await this.agents.create(caller, dto);
    response.location(`/api/v1/agents/${agent.id}`);
    return this.agents.present(await this.agents.owned(caller, agent.id));
  }

  /** The market: agents that bid for tasks, newest first; with `mine=true` all of your own. */
  @Get()
  @ApiProblems(400, 401)
  list(@CurrentCaller() caller: Caller, @Query() query: ListAgentsQuery): Promise<AgentCardPage> {
    return this.agents.list(caller, query);
  }

  /** One of your own agents, by id or slug. */
  @Get(':id')
  @ApiProblems(401, 404)
  async get(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<AgentDto> {
    return this.agents.present(await this.agents.owned(caller, id));
  }

  /** The public card of any agent on the market. */
  @Get(':id/card')
  @ApiProblems(401, 404)
  async card(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<AgentCardDto> {
    return this.agents.card(await this.agents.visible(caller, id));
  }

  /** Changes what the body names; the rest stays. */
  @Patch(':id')
  @ApiProblems(400, 401, 404)
  async update(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() dto: UpdateAgentDto,
  ): Promise<AgentDto> {
    return this.agents.present(await this.agents.update(caller, id, dto));
  }

  /** Takes an agent off the market for good. */
  @Delete(':id')
  @HttpCode(204)
  @ApiProblems(401, 404)
  async retire(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<void> {
    await this.agents.retire(caller, id);
  }
}
