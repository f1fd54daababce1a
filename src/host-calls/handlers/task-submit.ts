import { Inject, Injectable } from '@nestjs/common';
import { AppError } from '../../common/app-error.js';
import { checkedDto } from '../../common/dto.pipe.js';
import { AuctionConfig, HostCallConfig, SandboxConfig, TaskConfig } from '../../config/index.js';
import { AdmissionControl, Enqueuer } from '../../scheduling/index.js';
import { assertInTime, SubmitTaskDto, toNewTask } from '../../task-api/index.js';
import { type NewTask, RowQuota, SubTasks, type SubTaskOutcome } from '../../tasks/index.js';
import { type CallContext, HostCallError, type HostCallHandler, type PreparedCall } from '../host-call.js';

/**
 * Members of a submission that agents may not use: documents and conversations of the submitter, one certain agent, and
 * starts and priorities of their own.
 */
const REFUSED_MEMBERS = [
  'input_ref',
  'result_as',
  'run_at',
  'delay_ms',
  'priority',
  'only_agent_id',
  'context_id',
] as const;

/**
 * `task.submit`: a sub-task on this market, for the submitter of the agent's own task. It is paid out of what that task
 * reserves for host calls, and may do no more than that task allows. It waits for its turn like any task of the submitter.
 */
@Injectable()
export class TaskSubmit implements HostCallHandler {
  constructor(
    @Inject(SubTasks) private readonly subTasks: Pick<SubTasks, 'submit'>,
    @Inject(RowQuota) private readonly rows: Pick<RowQuota, 'admit'>,
    @Inject(AdmissionControl) private readonly admission: Pick<AdmissionControl, 'submit'>,
    @Inject(Enqueuer) private readonly enqueuer: Pick<Enqueuer, 'add'>,
    private readonly config: HostCallConfig,
    private readonly limits: TaskConfig,
    private readonly sandbox: SandboxConfig,
    private readonly auction: AuctionConfig,
  ) {}

  prepare(request: unknown, context: CallContext): PreparedCall {
    const task = this.toTask(request, context);
    return {
      target: task.id,
      maxCostMicro: 0n,
      carryOut: async () => {
        await this.store(task, context);
        return { answer: { id: task.id }, costMicro: 0n };
      },
    };
  }

  /** @throws HostCallError for a task that is malformed, or does more than the parent may */
  private toTask(request: unknown, { userId, permissions, allow, shareLogs }: CallContext): NewTask {
    const task = readable(() => {
      const dto = checkedDto(SubmitTaskDto, request);
      const refused = REFUSED_MEMBERS.find((member) => dto[member] !== undefined);
      if (refused) throw new HostCallError('INVALID_REQUEST', `${refused}: not for sub-tasks`);
      const made = toNewTask(userId, dto, this.limits, this.sandbox, this.auction.geo);
      assertInTime(made);
      return made;
    });
    const { capabilities = [] } = permissions.tasks ?? {};
    const foreign = task.requiredCapabilities.find((name) => !capabilities.includes(name));
    if (foreign !== undefined) {
      throw new HostCallError('CAPABILITY_NOT_ALLOWED', `"${foreign}" is not among permissions.tasks.capabilities.`);
    }
    if (task.requiredCapabilities.length === 0) {
      throw new HostCallError('CAPABILITY_NOT_ALLOWED', 'A sub-task must require a capability.');
    }
    const wider = task.allow.find((kind) => !allow.includes(kind)) ?? (task.shareLogs && !shareLogs && 'share_logs');
    if (wider) {
      throw new HostCallError(
        'CONSENT_EXCEEDED',
        `The submitter does not allow ${wider} for your task, so not for this.`,
      );
    }
    return task;
  }

  private async store(task: NewTask, { taskId, attempt, userId }: CallContext): Promise<void> {
    const limits = this.config.subTasks;
    const outcome = await this.admitted(userId, task, async (marked) => {
      const stored = await this.subTasks.submit({ taskId, attempt }, marked, limits);
      if (stored === 'stored' && !marked.throttled) this.enqueuer.add({ taskId: marked.id });
      return stored;
    });
    if (outcome !== 'stored') throw refusal(outcome, limits);
  }

  /** Runs `write` if the submitter may have one more waiting task. @throws HostCallError with the code that the submitter would get */
  private async admitted<T>(userId: string, task: NewTask, write: (marked: NewTask) => Promise<T>): Promise<T> {
    try {
      await this.rows.admit(userId, [task]);
      return await this.admission.submit([task], ([marked]) => write(marked));
    } catch (error) {
      throw error instanceof AppError ? new HostCallError(error.code, error.message) : error;
    }
  }
}

function refusal(outcome: Exclude<SubTaskOutcome, 'stored'>, limits: HostCallConfig['subTasks']): HostCallError {
  switch (outcome) {
    case 'unpaid':
      return new HostCallError(
        'HOST_COST_EXCEEDED',
        'Budget and max_host_cost of this sub-task are more than your task has left of its max_host_cost.',
      );
    case 'too_deep':
      return new HostCallError(
        'TOO_DEEP',
        `A sub-task may have ${limits.depth} tasks above it. Do this work yourself.`,
      );
    case 'too_many':
      return new HostCallError('TOO_MANY_SUB_TASKS', `One task may have ${limits.below} sub-tasks, and has that many.`);
    case 'moved_on':
      return new HostCallError('CALL_ENDED', 'The attempt ended.');
  }
}

/** @throws HostCallError for what a submitter would read as a refusal */
function readable<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const [first] = error.errors ?? [];
    const where = first?.field && !first.message.startsWith(first.field) ? `${first.field}: ` : '';
    throw new HostCallError('INVALID_REQUEST', first ? where + first.message : error.message);
  }
}
