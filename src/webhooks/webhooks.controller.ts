import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { assertScope, type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { NeedsRoom } from '../common/needs-room.js';
import { PageQuery } from '../common/pagination.js';
import {
  CreateWebhookDto,
  NewWebhookDto,
  RotateSecretDto,
  UpdateWebhookDto,
  WebhookDto,
  WebhookPage,
} from './webhooks.dto.js';
import { Webhooks } from './webhooks.service.js';

const NO_KEY = {
  meaning: 'The operator has set no key to encrypt secrets with, or the server is overloaded.',
  code: 'SECRETS_KEY_MISSING',
  detail: 'This server cannot keep secrets yet: its operator must set SECRETS_KEY. Nothing was stored.',
};

@ApiTags('webhooks')
@Access('account:write')
@Controller('webhooks')
export class WebhooksController {
  constructor(private readonly webhooks: Webhooks) {}

  /**
   * Makes a webhook: the server sends it your events from now on.
   * @remarks It gets what `GET /events` shows you, filtered by type and agent. Requests are signed by the rules of Standard
   *   Webhooks. A key needs the scope `tasks:read` too.
   */
  @Post()
  @ApiOperation({ operationId: 'createWebhook' })
  @NeedsRoom()
  @ApiCreatedResponse({ type: NewWebhookDto, description: 'The webhook, with its secret.' })
  @ApiProblems(400, 401, 413, 415)
  @ApiProblem(403, {
    meaning: 'The API key lacks a scope, or the account has as many webhooks as it may.',
    code: 'QUOTA_EXCEEDED',
    detail: 'An account has at most 10 webhooks: delete one first.',
  })
  @ApiProblem(503, NO_KEY)
  create(@CurrentCaller() caller: Caller, @Body() dto: CreateWebhookDto): Promise<NewWebhookDto> {
    assertScope(caller, 'tasks:read');
    return this.webhooks.create(caller, dto);
  }

  /** Your webhooks, newest first. */
  @Access('account:read')
  @Get()
  @ApiOperation({ operationId: 'listWebhooks' })
  @ApiOkResponse({ type: WebhookPage, description: 'A page of webhooks, without their secrets.' })
  @ApiProblems(400, 401, 403)
  list(@CurrentCaller() caller: Caller, @Query() query: PageQuery): Promise<WebhookPage> {
    return this.webhooks.list(caller, query);
  }

  /**
   * One of your webhooks.
   * @param id UUID of the webhook
   */
  @Access('account:read')
  @Get(':id')
  @ApiOperation({ operationId: 'getWebhook' })
  @ApiOkResponse({ type: WebhookDto, description: 'The webhook, without its secret.' })
  @ApiProblems(401, 403, 404)
  get(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<WebhookDto> {
    return this.webhooks.get(caller, id);
  }

  /**
   * Changes a webhook, pauses it, or activates it again.
   * @param id UUID of the webhook
   */
  @Patch(':id')
  @ApiOperation({ operationId: 'updateWebhook' })
  @ApiOkResponse({ type: WebhookDto, description: 'The webhook as it is now.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  update(@CurrentCaller() caller: Caller, @Param('id') id: string, @Body() dto: UpdateWebhookDto): Promise<WebhookDto> {
    assertScope(caller, 'tasks:read');
    return this.webhooks.update(caller, id, dto);
  }

  /**
   * Deletes a webhook and what waits for it.
   * @param id UUID of the webhook
   */
  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ operationId: 'deleteWebhook' })
  @ApiNoContentResponse({ description: 'The webhook is gone.' })
  @ApiProblems(401, 403, 404)
  remove(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<void> {
    return this.webhooks.remove(caller, id);
  }

  /**
   * Makes a new secret.
   * @remarks For `overlap_s` seconds requests carry two signatures, one of each secret, so that the receiver can change over.
   * @param id UUID of the webhook
   */
  @Post(':id/secret')
  @HttpCode(200)
  @ApiOperation({ operationId: 'rotateWebhookSecret' })
  @ApiOkResponse({ type: NewWebhookDto, description: 'The webhook, with its new secret.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  @ApiProblem(503, NO_KEY)
  rotate(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() { overlap_s }: RotateSecretDto,
  ): Promise<NewWebhookDto> {
    assertScope(caller, 'tasks:read');
    return this.webhooks.rotate(caller, id, overlap_s);
  }
}
