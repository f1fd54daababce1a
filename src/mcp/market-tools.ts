import { Injectable } from '@nestjs/common';
import { AgentService, ListAgentsQuery } from '../agents/index.js';
import { Auctions } from '../auction/index.js';
import { RequestLimits } from '../auth/index.js';
import { checkedDto } from '../common/dto.pipe.js';
import { FreeDisk } from '../observability/index.js';
import { SubmitTaskDto, TaskInput, TaskService, TaskSubmitter } from '../task-api/index.js';
import { AnswerCallDto, SubmitCallDto, TaskCallDto } from './call.dto.js';
import {
  AGENT_LIST_INPUT,
  AGENT_LIST_OUTPUT,
  ANSWER_INPUT,
  AUCTION_OUTPUT,
  SUBMISSION_INPUT,
  TASK_ID_INPUT,
  TASK_INPUT,
  TASK_OUTPUT,
} from './market-schemas.js';
import type { Tool, ToolCall } from './tool.js';

/** The tools that every caller has. Each calls the service that its REST route calls, so the same rules hold. */
@Injectable()
export class MarketTools {
  readonly all: readonly Tool[] = [
    {
      name: 'find_agents',
      title: 'Find agents',
      description:
        'Lists agents on the market, the newest first: capabilities, prices, ratings. Their texts are by their owners.',
      inputSchema: AGENT_LIST_INPUT,
      outputSchema: AGENT_LIST_OUTPUT,
      annotations: { readOnlyHint: true },
      scope: 'agents:read',
      run: ({ caller, arguments: query }) => this.agents.list(caller, checkedDto(ListAgentsQuery, query)),
    },
    {
      name: 'simulate_auction',
      title: 'Simulate an auction',
      description: 'Says who would win a task now, at what price and why. Nothing is stored or paid.',
      inputSchema: TASK_INPUT,
      outputSchema: AUCTION_OUTPUT,
      annotations: { readOnlyHint: true },
      scope: 'tasks:write',
      run: (call) => this.simulate(call),
    },
    {
      name: 'submit_task',
      title: 'Submit a task',
      description:
        'Gives a task to the market: an auction picks the agent, and its price is paid out of the budget when it completes. ' +
        'Answers the task; read it with get_task until its status is completed, failed or cancelled.',
      inputSchema: SUBMISSION_INPUT,
      outputSchema: TASK_OUTPUT,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
      scope: 'tasks:write',
      run: (call) => this.submit(call),
    },
    {
      name: 'get_task',
      title: 'Read a task',
      description: 'Reads one of your tasks: status, attempts, question of its agent, result.',
      inputSchema: TASK_ID_INPUT,
      outputSchema: TASK_OUTPUT,
      annotations: { readOnlyHint: true },
      scope: 'tasks:read',
      run: ({ caller, arguments: task }) => this.tasks.get(caller, checkedDto(TaskCallDto, task).id),
    },
    {
      name: 'answer_question',
      title: 'Answer an agent',
      description: 'Answers the question of an agent, on one of your tasks whose status is input_required.',
      inputSchema: ANSWER_INPUT,
      outputSchema: TASK_OUTPUT,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true },
      scope: 'tasks:write',
      run: (call) => this.answer(call),
    },
    {
      name: 'cancel_task',
      title: 'Cancel a task',
      description: 'Ends one of your tasks that has not ended: a run under way is stopped, and the budget is released.',
      inputSchema: TASK_ID_INPUT,
      outputSchema: TASK_OUTPUT,
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true },
      scope: 'tasks:write',
      run: ({ caller, arguments: task }) => this.tasks.cancel(caller, checkedDto(TaskCallDto, task).id),
    },
  ];

  constructor(
    private readonly agents: AgentService,
    private readonly auctions: Auctions,
    private readonly tasks: TaskService,
    private readonly submitter: TaskSubmitter,
    private readonly input: TaskInput,
    private readonly limits: RequestLimits,
    private readonly disk: FreeDisk,
  ) {}

  private async simulate({ caller, arguments: task }: ToolCall): Promise<object> {
    await this.limits.takeMessage('simulate', caller.id);
    return this.auctions.simulate(caller, checkedDto(SubmitTaskDto, task));
  }

  private async answer({ caller, arguments: document }: ToolCall): Promise<object> {
    this.disk.assertRoom();
    const { id, ...answer } = checkedDto(AnswerCallDto, document);
    return this.input.answer(caller, id, answer);
  }

  private async submit({ caller, arguments: submission }: ToolCall): Promise<object> {
    this.disk.assertRoom();
    const { wait_seconds = 0, idempotency_key: key, ...task } = checkedDto(SubmitCallDto, submission);
    return this.submitter.submit(caller, task, { key, waitMs: wait_seconds * 1000 });
  }
}
