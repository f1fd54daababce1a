import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { HostCallConfig } from '../../config/index.js';
import { EventLog } from '../../feed/index.js';
import { type CallContext, HostCallError, type HostCallHandler, type PreparedCall } from '../host-call.js';
import { parseRequest } from './parse-request.js';

const schema = z.strictObject({ data: z.unknown(), final: z.boolean().default(false) });

/** `output.emit`: a partial result or progress, which becomes a `task.output` event that the submitter alone sees. */
@Injectable()
export class OutputEmit implements HostCallHandler {
  constructor(
    @Inject(EventLog) private readonly events: Pick<EventLog, 'post'>,
    private readonly config: HostCallConfig,
  ) {}

  prepare(request: unknown, context: CallContext): PreparedCall {
    const { data, final } = parseRequest(schema, request);
    if (data === undefined) throw new HostCallError('INVALID_REQUEST', 'data: any JSON value');
    const bytes = Buffer.byteLength(JSON.stringify(data));
    const { maxOutputBytes } = this.config;
    if (context.emitted.bytes + bytes > maxOutputBytes) {
      throw new HostCallError(
        'OUTPUT_FULL',
        `Partial results of one attempt may have ${maxOutputBytes} bytes together.`,
      );
    }
    context.emitted.bytes += bytes;
    return {
      target: null,
      maxCostMicro: 0n,
      carryOut: async () => {
        await this.events.post({
          type: 'task.output',
          task_id: context.taskId,
          user_id: context.userId,
          agent_owner_id: context.agentOwnerId,
          data: { attempt: context.attempt, agent_id: context.agentId, n: context.n, data, final },
        });
        return { answer: {}, costMicro: 0n };
      },
    };
  }
}
