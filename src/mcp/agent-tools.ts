import { Injectable } from '@nestjs/common';
import { AgentPresenter, AgentService, ListAgentsQuery } from '../agents/index.js';
import { assertScope, type Caller } from '../auth/index.js';
import { AppError, notFound, undefinedIfNotFound } from '../common/app-error.js';
import { checkedDto, malformed } from '../common/dto.pipe.js';
import { isId } from '../common/ids.js';
import { RawJson } from '../common/raw-json.js';
import { FreeDisk } from '../observability/index.js';
import {
  type QuestionDto,
  SubmitTaskDto,
  type TaskDto,
  TaskInput,
  TaskService,
  TaskSubmitter,
} from '../task-api/index.js';
import { type AgentToolCard, toolCardOf } from './agent-card.js';
import { type AgentSelection, MOST_AGENTS } from './agent-selection.js';
import { answerOf } from './elicitation.js';
import { TaskFollower } from './task-follower.js';
import type { ToolCall } from './tool.js';

/** An agent of the market as a tool of this caller. */
export interface AgentTool {
  agentId: string;
  card: AgentToolCard;
}

/** A call of an agent, with what its client can do. */
export interface AgentCall extends ToolCall {
  selection: AgentSelection;
  /** The client can show its user a form. */
  canElicit: boolean;
  /** Set in later rounds of a call: the task that waits for an answer, and the last event that the client has seen. */
  resumed?: { taskId: string; seq: number };
  /** Answers of the client's user, by question. */
  answers: Record<string, unknown>;
  /** Notifies the client; unset: it does not ask for that. */
  onProgress?: (count: number, message: string) => Promise<void>;
}

export type AgentOutcome =
  | { end: 'ended'; task: TaskDto }
  /** The agent waits for an answer. `seq` is the last event that was passed on. */
  | { end: 'asks'; task: TaskDto; question: QuestionDto; seq: number };

const MOST_MESSAGE = 2000;

/** Calls agents as tools: each call is a task for which only that agent may bid. */
@Injectable()
export class AgentTools {
  constructor(
    private readonly agents: AgentService,
    private readonly presenter: AgentPresenter,
    private readonly tasks: TaskService,
    private readonly submitter: TaskSubmitter,
    private readonly input: TaskInput,
    private readonly follower: TaskFollower,
    private readonly disk: FreeDisk,
  ) {}

  /** The chosen agents that the caller may see and that have an active version. @throws AppError `forbidden` */
  async list(caller: Caller, selection: AgentSelection): Promise<AgentTool[]> {
    return this.among(caller, selection, () => true);
  }

  /** The chosen agent whose tool has this name. @throws AppError `forbidden` */
  async named(caller: Caller, selection: AgentSelection, name: string): Promise<AgentTool | undefined> {
    // The name ends as the id does, so agents that are chosen by other ids need not be read.
    const mayMean = (reference: string): boolean =>
      !isId(reference) || name.endsWith(reference.slice(-12).toLowerCase());
    return (await this.among(caller, selection, mayMean)).find(({ card }) => card.name === name);
  }

  private async among(
    caller: Caller,
    { agents }: AgentSelection,
    isWanted: (reference: string) => boolean,
  ): Promise<AgentTool[]> {
    if (agents.length === 0) return [];
    assertScope(caller, 'agents:read');
    const references = agents === 'mine' ? await this.ownAgents(caller) : agents;
    const wanted = references.filter(isWanted);
    const tools = await Promise.all(wanted.map((reference) => this.find(caller, reference)));
    // An agent may be named by its id and by its slug.
    return [...new Map(tools.flatMap((tool) => (tool ? [[tool.agentId, tool]] : []))).values()];
  }

  /** Submits the task of a call, without waiting for it. @throws AppError as a submission */
  async submit({ agentId, card }: AgentTool, call: AgentCall): Promise<TaskDto> {
    assertScope(call.caller, 'tasks:write');
    this.disk.assertRoom();
    const { allow, budget, maxHostCost } = call.selection;
    const kinds = call.canElicit ? [...allow, 'ask'] : allow;
    const input = card.takesInputAsIs ? call.arguments : call.arguments.members()?.get('input');
    if (!input) throw malformed([{ field: 'input', message: 'input is required' }]);
    const task = checkedDto(SubmitTaskDto, {
      required_capabilities: [],
      budget,
      input,
      only_agent_id: agentId,
      allow: Object.fromEntries(kinds.map((kind) => [kind, true])),
      ...(maxHostCost !== undefined && { max_host_cost: maxHostCost }),
    });
    return this.submitter.submit(call.caller, task);
  }

  /** Does a call, from its submission or from its last question on, to its end or to its next question. */
  async call(tool: AgentTool, call: AgentCall): Promise<AgentOutcome> {
    const { id, seq: seen } = call.resumed
      ? await this.resume(tool, call)
      : { ...(await this.submit(tool, call)), seq: 0 };
    let count = 0;
    for await (const { type, seq, data } of this.follower.follow(call.caller, id, seen, call.signal)) {
      await call.onProgress?.(++count, `${id} ${messageOf(type, data)}`.slice(0, MOST_MESSAGE));
      if (type !== 'task.input_required') continue;
      const task = await this.tasks.present(call.caller, id);
      // Null for a question of the past, which is answered.
      if (task.question) return { end: 'asks', task, question: task.question, seq };
    }
    return { end: 'ended', task: await this.tasks.present(call.caller, id) };
  }

  /** Answers the question of a task with what the client's user has entered; without an answer the task is cancelled. */
  async answer(caller: Caller, taskId: string, answers: Record<string, unknown>): Promise<void> {
    const { question } = await this.tasks.present(caller, taskId);
    const response = question && (answers[question.id] as { action?: unknown; content?: unknown } | undefined);
    if (!question || !response) return;
    if (response.action !== 'accept') return void (await this.cancel(caller, taskId));
    const text = answerText(question, response.content);
    await this.input.answer(caller, taskId, { question_id: question.id, answer: new RawJson(text) });
  }

  /** A task of the caller. @throws AppError `not_found` */
  task(caller: Caller, taskId: string): Promise<TaskDto> {
    return this.tasks.get(caller, taskId);
  }

  /** Whether the result of a task that an agent did as a tool is the structured content itself. */
  async givesResultAsIs(caller: Caller, { only_agent_id: agentId }: TaskDto): Promise<boolean> {
    return agentId !== null && (await this.find(caller, agentId))?.card.givesResultAsIs === true;
  }

  /** Cancels a task, if it has not ended. */
  async cancel(caller: Caller, taskId: string): Promise<void> {
    await this.tasks.cancel(caller, taskId).catch((error: unknown) => {
      if (!(error instanceof AppError) || error.code !== 'ALREADY_ENDED') throw error;
    });
  }

  private async resume({ agentId }: AgentTool, call: AgentCall): Promise<{ id: string; seq: number }> {
    const { taskId, seq } = call.resumed as { taskId: string; seq: number };
    assertScope(call.caller, 'tasks:write');
    const task = await this.tasks.present(call.caller, taskId);
    if (task.only_agent_id !== agentId) throw notFound('task');
    await this.answer(call.caller, task.id, call.answers);
    return { id: task.id, seq };
  }

  private async ownAgents(caller: Caller): Promise<string[]> {
    const query = Object.assign(new ListAgentsQuery(), { mine: true, limit: MOST_AGENTS });
    return (await this.agents.list(caller, query)).items.map(({ id }) => id);
  }

  /** @returns undefined for an agent without an active version, and one that has left the market */
  private find(caller: Caller, reference: string): Promise<AgentTool | undefined> {
    return this.toolOf(caller, reference).catch(undefinedIfNotFound);
  }

  private async toolOf(caller: Caller, reference: string): Promise<AgentTool | undefined> {
    const card = await this.presenter.card(await this.agents.visible(caller, reference));
    return card.version === null ? undefined : { agentId: card.id, card: toolCardOf(card) };
  }
}

function answerText(question: QuestionDto, content: unknown): string {
  try {
    const text = answerOf(question, content);
    if (text !== undefined) return text;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw malformed([{ field: 'answer', message: 'answer must be JSON that fits the schema of the question' }]);
}

/** What a progress notification says: partial output as JSON, anything else by the name of its event. */
const messageOf = (type: string, data: Record<string, unknown>): string =>
  type === 'task.output' ? JSON.stringify(data.data) : type.slice('task.'.length);
