import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { assertScope, type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblem, ApiProblems } from '../common/api-problems.js';
import { NeedsRoom } from '../common/needs-room.js';
import { Deliveries } from './deliveries.js';
import { DeliveriesQuery, DeliveryDto, DeliveryPage, ReplayedDto, ReplayRangeDto } from './webhooks.dto.js';

const NOT_ACTIVE = {
  meaning: 'The webhook is paused or disabled.',
  code: 'WEBHOOK_NOT_ACTIVE',
  detail: 'The webhook is paused: set its status to active first.',
};

@ApiTags('webhooks')
@Access('account:write')
@Controller('webhooks/:id')
export class DeliveriesController {
  constructor(private readonly deliveries: Deliveries) {}

  /**
   * Sends a test message of the type `webhook.ping`. Its delivery shows how it went.
   * @param id UUID of the webhook
   */
  @Post('ping')
  @HttpCode(202)
  @ApiOperation({ operationId: 'pingWebhook' })
  @NeedsRoom()
  @ApiAcceptedResponse({ type: DeliveryDto, description: 'The delivery, which waits for a worker.' })
  @ApiProblems(401, 403, 404)
  @ApiProblem(409, NOT_ACTIVE)
  @ApiProblem(429, {
    meaning: 'Too many requests (`RATE_LIMITED`), or too many pings of this webhook wait.',
    code: 'TOO_MANY_PINGS',
    detail: '5 pings of this webhook wait already: look at its deliveries.',
  })
  ping(@CurrentCaller() caller: Caller, @Param('id') id: string): Promise<DeliveryDto> {
    return this.deliveries.ping(caller, id);
  }

  /**
   * Sends events of the feed again, up to 500 with one request.
   * @remarks Deliveries that are still kept keep their message ids.
   * @param id UUID of the webhook
   */
  @Post('replay')
  @HttpCode(202)
  @ApiOperation({ operationId: 'replayEvents' })
  @NeedsRoom()
  @ApiAcceptedResponse({ type: ReplayedDto, description: 'How many events will be sent.' })
  @ApiProblems(400, 401, 403, 404, 413, 415)
  @ApiProblem(409, NOT_ACTIVE)
  replayRange(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Body() range: ReplayRangeDto,
  ): Promise<ReplayedDto> {
    assertScope(caller, 'tasks:read');
    return this.deliveries.replayRange(caller, id, range);
  }

  /**
   * What was sent to a webhook and what waits, newest first. The last 1,000 that have ended are kept.
   * @param id UUID of the webhook
   */
  @Access('account:read')
  @Get('deliveries')
  @ApiOperation({ operationId: 'listDeliveries' })
  @ApiOkResponse({ type: DeliveryPage, description: 'A page of deliveries with their requests.' })
  @ApiProblems(400, 401, 403, 404)
  list(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() query: DeliveriesQuery,
  ): Promise<DeliveryPage> {
    return this.deliveries.list(caller, id, query);
  }

  /**
   * One delivery.
   * @param id UUID of the webhook
   * @param delivery UUID of the delivery
   */
  @Access('account:read')
  @Get('deliveries/:delivery')
  @ApiOperation({ operationId: 'getDelivery' })
  @ApiOkResponse({ type: DeliveryDto, description: 'The delivery with its requests.' })
  @ApiProblems(401, 403, 404)
  get(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Param('delivery') delivery: string,
  ): Promise<DeliveryDto> {
    return this.deliveries.get(caller, id, delivery);
  }

  /**
   * Sends a delivery again, under the same message id.
   * @param id UUID of the webhook
   * @param delivery UUID of the delivery
   */
  @Post('deliveries/:delivery/replay')
  @HttpCode(202)
  @ApiOperation({ operationId: 'replayDelivery' })
  @ApiAcceptedResponse({ type: DeliveryDto, description: 'The delivery, which waits again.' })
  @ApiProblems(401, 403, 404)
  @ApiProblem(409, NOT_ACTIVE)
  replay(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Param('delivery') delivery: string,
  ): Promise<DeliveryDto> {
    return this.deliveries.replay(caller, id, delivery);
  }
}
