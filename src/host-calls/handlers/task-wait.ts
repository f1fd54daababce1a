import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { amountToWire } from '../../common/money.js';
import type { RawJson } from '../../common/raw-json.js';
import { HostCallConfig } from '../../config/index.js';
import { isTerminal, type SubTask, SubTasks, TaskDocuments } from '../../tasks/index.js';
import { type CallContext, HostCallError, type HostCallHandler, type PreparedCall } from '../host-call.js';
import { SubTaskEnds } from '../sub-task-ends.js';
import { parseRequest } from './parse-request.js';

const request = z.strictObject({ id: z.uuid(), timeout_ms: z.int().min(0).optional() });

/** `task.wait`: waits until a sub-task has ended, without a sandbox slot, and answers how it stands. */
@Injectable()
export class TaskWait implements HostCallHandler {
  constructor(
    @Inject(SubTasks) private readonly subTasks: Pick<SubTasks, 'find'>,
    @Inject(SubTaskEnds) private readonly ends: Pick<SubTaskEnds, 'wait'>,
    @Inject(TaskDocuments) private readonly documents: Pick<TaskDocuments, 'readResult'>,
    private readonly config: HostCallConfig,
  ) {}

  prepare(document: unknown, context: CallContext): PreparedCall {
    const { id, timeout_ms = Infinity } = parseRequest(request, document);
    const waitMs = Math.min(timeout_ms, this.config.questions.maxWaitMs);
    return {
      target: id.toLowerCase(),
      maxCostMicro: 0n,
      carryOut: async () => ({ answer: await this.wait(id.toLowerCase(), waitMs, context), costMicro: 0n }),
    };
  }

  private async wait(id: string, waitMs: number, context: CallContext): Promise<object> {
    const found = await this.find(id, context);
    if (isTerminal(found.status) || waitMs === 0) return this.present(id, found);
    await context.parking.whileWaiting(waitMs, () => this.ends.wait(id, waitMs, context.signal));
    return this.present(id, await this.find(id, context));
  }

  /** A task of another attempt is as unknown as one of another account. */
  private async find(id: string, { taskId, attempt }: CallContext): Promise<SubTask> {
    const found = await this.subTasks.find({ taskId, attempt }, id);
    if (!found) throw new HostCallError('TASK_UNKNOWN', 'This attempt has submitted no such task.');
    return found;
  }

  private async present(id: string, { status, error, costMicro, result, document }: SubTask): Promise<object> {
    const cost = costMicro === null ? null : amountToWire(costMicro);
    // Not `error`: in every answer, that member says that the call itself was refused.
    return { id, status, result: document ? await this.read(document) : result, failure: error, cost };
  }

  private async read(document: NonNullable<SubTask['document']>): Promise<RawJson> {
    const { maxAnswerBytes } = this.config;
    if (document.size > maxAnswerBytes) {
      throw new HostCallError(
        'ANSWER_TOO_LARGE',
        `The result has ${document.size} bytes, and an answer may have ${maxAnswerBytes}.`,
      );
    }
    return this.documents.readResult(document);
  }
}
