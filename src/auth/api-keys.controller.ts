import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { PageQuery } from '../common/pagination.js';
import { ApiKeys } from './api-keys.service.js';
import { ApiKeyPage, CreateApiKeyDto, NewApiKeyDto, presentKey } from './api-keys.dto.js';
import { type Caller, CurrentCaller } from './caller.js';

@ApiTags('auth')
@Controller('auth/api-keys')
export class ApiKeysController {
  constructor(private readonly keys: ApiKeys) {}

  /**
   * Makes a key for programs, to be sent as `X-API-Key`. It is shown this once.
   * @remarks A key may do what its scopes say, on behalf of the account. A key with `account:write` can make further ones,
   * with no scope it does not have itself; they expire no later than it does, and are revoked with it.
   */
  @Access('account:write')
  @Post()
  @ApiOperation({ operationId: 'createApiKey' })
  @ApiCreatedResponse({ type: NewApiKeyDto, description: 'The key. Keep `key`: nobody can show it again.' })
  @ApiProblems(400, 401, 413, 415)
  @ApiProblem(403, {
    meaning:
      'A scope is beyond what you may do (`SCOPE_NOT_YOURS`), the key would outlive the one it is made with (`EXPIRY_NOT_YOURS`), or there are too many keys (`QUOTA_EXCEEDED`).',
    code: 'SCOPE_NOT_YOURS',
    detail: 'You cannot give what you may not do: admin.',
  })
  async create(
    @CurrentCaller() caller: Caller,
    @Body() { name, scopes, expires_at }: CreateApiKeyDto,
  ): Promise<NewApiKeyDto> {
    const expiresAt = expires_at === undefined ? null : new Date(expires_at);
    const { key, secret } = await this.keys.create(caller, { name, scopes, expiresAt });
    return { ...presentKey(key), key: secret };
  }

  /** Your keys, newest first, without what makes them keys. */
  @Access('account:read')
  @Get()
  @ApiOperation({ operationId: 'listApiKeys' })
  @ApiOkResponse({
    type: ApiKeyPage,
    description: 'A page of keys, those included that were revoked or have expired lately.',
  })
  @ApiProblems(400, 401, 403)
  list(@CurrentCaller() caller: Caller, @Query() query: PageQuery): Promise<ApiKeyPage> {
    return this.keys.list(caller, query);
  }

  /**
   * Revokes a key and those that were made with it, for good and everywhere.
   * @param id UUID of the key
   */
  @Access('account:write')
  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'revokeApiKey' })
  @ApiNoContentResponse({ description: 'It is good no more.' })
  @ApiProblems(401, 403, 404)
  revoke(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<void> {
    return this.keys.revoke(caller, id);
  }
}
