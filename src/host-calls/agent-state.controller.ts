import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AgentService } from '../agents/index.js';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { notFound } from '../common/app-error.js';
import { RawJson } from '../common/raw-json.js';
import { AgentState, type StateKey } from './agent-state.js';
import { StateEntryDto, type StateKeyDto, StatePage, StateQuery } from './host-calls.dto.js';

@ApiTags('agents')
@Access('agents:read')
@Controller('agents/:id/kv')
export class AgentStateController {
  constructor(
    private readonly agents: AgentService,
    private readonly state: AgentState,
  ) {}

  /**
   * Keys of the state that one of your agents keeps between tasks.
   * @param id UUID of the agent, or your slug for it
   */
  @Get()
  @ApiOperation({ operationId: 'listAgentState' })
  @ApiOkResponse({ type: StatePage, description: 'A page of keys.' })
  @ApiProblems(400, 401, 403, 404)
  async list(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() { prefix, limit, cursor }: StateQuery,
  ): Promise<StatePage> {
    const { id: agentId } = await this.agents.owned(caller, id);
    const [keys, usage] = await Promise.all([
      this.state.list(agentId, prefix, cursor, limit + 1),
      this.state.usage(agentId),
    ]);
    const items = keys.slice(0, limit).map(present);
    return { items, next_cursor: keys.length > limit ? items[limit - 1].key : null, ...usage };
  }

  /**
   * One entry of that state.
   * @param id UUID of the agent, or your slug for it
   * @param key of the entry, percent-encoded
   */
  @Get(':key')
  @ApiOperation({ operationId: 'getAgentState' })
  @ApiOkResponse({ type: StateEntryDto, description: 'The entry.' })
  @ApiProblems(400, 401, 403)
  @ApiProblem(404, {
    meaning: 'The agent is not yours, or has no such key.',
    code: 'NOT_FOUND',
    detail: 'No such key.',
  })
  async get(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Param('key') key: string,
  ): Promise<StateEntryDto> {
    const agent = await this.agents.owned(caller, id);
    const entry = isStorable(key) ? await this.state.get(agent.id, key) : null;
    if (!entry) throw notFound('key');
    return { ...present(entry), value: new RawJson(entry.value) };
  }

  /**
   * Deletes one entry of that state.
   * @param id UUID of the agent, or your slug for it
   * @param key of the entry, percent-encoded
   */
  @Access('agents:write')
  @Delete(':key')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteAgentState' })
  @ApiNoContentResponse({ description: 'The key is gone.' })
  @ApiProblems(400, 401, 403)
  @ApiProblem(404, {
    meaning: 'The agent is not yours, or has no such key.',
    code: 'NOT_FOUND',
    detail: 'No such key.',
  })
  async delete(@CurrentCaller() caller: Caller, @Param('id') id: string, @Param('key') key: string): Promise<void> {
    const agent = await this.agents.owned(caller, id);
    if (!isStorable(key) || !(await this.state.delete(agent.id, key))) throw notFound('key');
  }
}

const present = ({ key, revision, bytes, updatedAt, expiresAt }: StateKey): StateKeyDto => ({
  key,
  revision,
  bytes,
  updated_at: updatedAt.toISOString(),
  expires_at: expiresAt?.toISOString() ?? null,
});

/** Whether the database takes it as text. */
const isStorable = (key: string): boolean => key.isWellFormed() && !key.includes('\0');
