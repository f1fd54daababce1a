import { Body, Controller, Get, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AuditTrail, type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import { EventLog, FeedTail } from '../feed/index.js';
import { AnnouncedDto, AnnouncementDto, GatewayStatsDto } from './gateway.dto.js';
import { Hub } from './hub.js';
import { SocketGateway } from './socket.gateway.js';

@ApiTags('gateway')
@Access('admin')
@Controller('gateway')
export class GatewayController {
  constructor(
    private readonly hub: Hub,
    private readonly sockets: SocketGateway,
    private readonly log: EventLog,
    private readonly tail: FeedTail,
    private readonly audit: AuditTrail,
  ) {}

  /** The connections of this process, and how far it has read the feed. */
  @Get('stats')
  @ApiOperation({ operationId: 'getGatewayStats' })
  @ApiOkResponse({ type: GatewayStatsDto, description: 'The current figures.' })
  @ApiProblems(401, 403)
  async stats(): Promise<GatewayStatsDto> {
    return {
      ...this.sockets.statistics(),
      subscriptions: this.hub.counts(),
      feed_seq: await this.log.lastSeq(),
      position: this.tail.position,
      at: new Date().toISOString(),
    };
  }

  /** Announces a text to all connected users, on every node. Users who connect later find it in the feed. */
  @Post('announcements')
  @ApiOperation({ operationId: 'announce' })
  @ApiCreatedResponse({ type: AnnouncedDto, description: 'The announcement is in the feed.' })
  @ApiProblems(400, 401, 403, 413, 415)
  async announce(@CurrentCaller() caller: Caller, @Body() { message }: AnnouncementDto): Promise<AnnouncedDto> {
    await this.audit.record({ type: 'announcement.made', by: caller, details: { message } });
    const seq = await this.log.post({
      type: 'system.announcement',
      task_id: null,
      user_id: null,
      agent_owner_id: null,
      data: { message, announced_by: caller.id },
    });
    return { seq, message };
  }
}
