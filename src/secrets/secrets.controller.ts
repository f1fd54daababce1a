import { Body, Controller, Delete, Get, HttpCode, Param, Put } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { notFound } from '../common/app-error.js';
import { malformed } from '../common/dto.pipe.js';
import { NeedsRoom } from '../common/needs-room.js';
import { AgentSecrets } from './agent-secrets.js';
import { SECRET_NAME, SecretDto, SecretsDto, SetSecretDto } from './secrets.dto.js';

@ApiTags('agents')
@Access('agents:write')
@Controller('agents/:id/secrets')
export class SecretsController {
  constructor(private readonly secrets: AgentSecrets) {}

  /**
   * Names and hosts of the secrets of one of your own agents. Values are never shown.
   * @param id UUID of the agent, or your slug for it
   */
  @Access('agents:read')
  @Get()
  @ApiOperation({ operationId: 'listSecrets' })
  @ApiOkResponse({ type: SecretsDto, description: 'Every secret, by name.' })
  @ApiProblems(401, 403, 404)
  async list(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<SecretsDto> {
    return { items: await this.secrets.list(caller, id) };
  }

  /**
   * Sets or replaces a secret of one of your own agents.
   * @remarks The agent writes `{{secret:NAME}}` into a header of `http.fetch`. The value is filled in outside of the
   *   agent, for this host alone and over https. Requests that start later use the new value.
   * @param id UUID of the agent, or your slug for it
   * @param name a letter, then letters, digits and "_"; at most 64 characters
   */
  @Put(':name')
  @ApiOperation({ operationId: 'setSecret' })
  @NeedsRoom()
  @ApiOkResponse({ type: SecretDto, description: 'The secret, without its value.' })
  @ApiProblems(400, 401, 404, 413, 415)
  @ApiProblem(403, {
    meaning: 'The API key lacks the scope, or the agent has 32 secrets.',
    code: 'QUOTA_EXCEEDED',
    detail: 'An agent has at most 32 secrets: delete one first.',
  })
  @ApiProblem(503, {
    meaning: 'The operator has set no key to encrypt secrets with, or the server is overloaded.',
    code: 'SECRETS_KEY_MISSING',
    detail: 'This server cannot keep secrets yet: its operator must set SECRETS_KEY. Nothing was stored.',
  })
  set(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Param('name') name: string,
    @Body() { host, value }: SetSecretDto,
  ): Promise<SecretDto> {
    if (!SECRET_NAME.test(name)) {
      const message = 'must be a letter, then letters, digits and "_", at most 64 characters';
      throw malformed([{ field: 'name', message }]);
    }
    return this.secrets.set(caller, id, name, { host, value });
  }

  /**
   * Deletes a secret of one of your own agents.
   * @param id UUID of the agent, or your slug for it
   * @param name its name
   */
  @Delete(':name')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteSecret' })
  @ApiNoContentResponse({ description: 'The secret is gone.' })
  @ApiProblems(401, 403, 404)
  async remove(@CurrentCaller() caller: Caller, @Param('id') id: string, @Param('name') name: string): Promise<void> {
    if (!SECRET_NAME.test(name)) throw notFound('secret');
    await this.secrets.remove(caller, id, name);
  }
}
