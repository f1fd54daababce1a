import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type Caller, CurrentCaller } from '../auth/index.js';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import { amountToWire } from '../common/money.js';
import { TaskService } from '../task-api/index.js';
import { type CallRow, CallRecords } from './call-records.js';
import { type HostCallDto, HostCallPage, HostCallsQuery } from './host-calls.dto.js';

@ApiTags('tasks')
@Access('tasks:read')
@Controller('tasks/:id/host-calls')
export class HostCallsController {
  constructor(
    private readonly tasks: TaskService,
    private readonly records: CallRecords,
  ) {}

  /**
   * What the agents at work on one of your tasks asked of the host: method, host or model, sizes, time and cost.
   * @remarks Requests and answers are not kept. Partial results are events of the type `task.output`.
   * @param id UUID of the task
   */
  @Get()
  @ApiOperation({ operationId: 'listHostCalls' })
  @ApiOkResponse({ type: HostCallPage, description: 'A page of calls.' })
  @ApiProblems(400, 401, 403, 404)
  async list(
    @CurrentCaller() caller: Caller,
    @Param('id') id: string,
    @Query() { limit, cursor }: HostCallsQuery,
  ): Promise<HostCallPage> {
    await this.tasks.looked(caller, id, 'host_calls');
    const [attempt, n] = cursor?.split('.').map(Number) ?? [0, -1];
    const rows = await this.records.list(id, { attempt, n }, limit + 1);
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    return { items: items.map(present), next_cursor: rows.length > limit && last ? `${last.attempt}.${last.n}` : null };
  }
}

const present = ({ cost_micro, at, ...call }: CallRow): HostCallDto => ({
  ...call,
  cost: amountToWire(BigInt(cost_micro)),
  at: at.toISOString(),
});
