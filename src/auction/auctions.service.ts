import { Injectable } from '@nestjs/common';
import type { Caller } from '../auth/index.js';
import { type SubmitTaskDto, TaskService, TaskSubmitter } from '../task-api/index.js';
import { AuctionRecords } from './auction-records.js';
import type { SimulatedAuctionDto, TaskAuctionDto } from './explanation.dto.js';
import { explain, verify } from './explanation.js';
import { MetaAgent } from './meta-agent.js';

/** Explains auctions that were held, and simulates those of tasks that are not submitted. */
@Injectable()
export class Auctions {
  constructor(
    private readonly tasks: TaskService,
    private readonly submitter: TaskSubmitter,
    private readonly records: AuctionRecords,
    private readonly metaAgent: MetaAgent,
  ) {}

  /**
   * @param verified whether each scoreboard is computed again and compared
   * @throws AppError `not_found` `NOT_FOUND` or `NO_AUCTION_YET`
   */
  async of(caller: Caller, taskId: string, verified: boolean | undefined): Promise<TaskAuctionDto> {
    await this.tasks.looked(caller, taskId, 'auction');
    const auctions = await this.records.of(taskId);
    return {
      rounds: auctions.map(({ round, firstAttempt, scoreboard, createdAt }) => ({
        ...explain(scoreboard),
        round,
        first_attempt: firstAttempt,
        decided_at: createdAt.toISOString(),
        verification: verified ? verify(scoreboard) : null,
      })),
    };
  }

  /** Who would win now; nothing is written. @throws AppError as a submission, but for room and credits */
  async simulate(caller: Caller, dto: SubmitTaskDto): Promise<SimulatedAuctionDto> {
    const task = await this.submitter.draft(caller, dto);
    const untilDeadlineMs = task.deadline ? task.deadline.getTime() - (task.runAt?.getTime() ?? Date.now()) : Infinity;
    const limitMs = Math.max(1, Math.min(task.timeoutMs, untilDeadlineMs));
    // The draw for exploration depends on the task's id, which does not exist yet: 1 means no exploration.
    const request = { ...task, luck: 1, limitMs };
    const { scoreboard, failure } = await this.metaAgent.simulate(request, task.inputText);
    return { ...explain(scoreboard), failure };
  }
}
