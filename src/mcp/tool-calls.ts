import { Injectable, Logger } from '@nestjs/common';
import { assertScope, type Caller } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { toProblem } from '../common/problem.filter.js';
import { stringify } from '../common/raw-json.js';
import { traced } from '../observability/index.js';
import type { TaskDto } from '../task-api/index.js';
import type { AgentSelection } from './agent-selection.js';
import { type AgentCall, type AgentTool, AgentTools } from './agent-tools.js';
import { MarketTools } from './market-tools.js';
import { toolCalls } from './metrics.js';
import type { Tool, ToolCall, ToolCard } from './tool.js';

/** Lists and calls tools for a caller: those of the market, and the chosen agents. */
@Injectable()
export class ToolCalls {
  private readonly logger = new Logger('Mcp');
  private readonly market: ReadonlyMap<string, Tool>;

  constructor(
    market: MarketTools,
    readonly agents: AgentTools,
  ) {
    this.market = new Map(market.all.map((tool) => [tool.name, tool]));
  }

  /** @throws AppError `forbidden` */
  async list(caller: Caller, selection: AgentSelection): Promise<ToolCard[]> {
    const agents = await this.agents.list(caller, selection);
    return [...this.market.values(), ...agents.map(({ card }) => card)].map(cardOf);
  }

  /** @returns undefined when the market has no such tool */
  async callMarket(name: string, call: ToolCall): Promise<ToolResult | undefined> {
    const tool = this.market.get(name);
    if (!tool) return undefined;
    return this.measured(name, async () => {
      assertScope(call.caller, tool.scope);
      return resultOf(await tool.run(call));
    });
  }

  /** @returns undefined when the caller has chosen no such agent @throws AppError `forbidden` */
  findAgent(name: string, { caller, selection }: AgentCall): Promise<AgentTool | undefined> {
    return this.agents.named(caller, selection, name);
  }

  /** Counts a call, and turns its error into a result, as a REST route would answer it by a problem document. */
  async measured<Result>(tool: string, work: () => Promise<Result>): Promise<Result | ToolResult> {
    try {
      const result = await traced('mcp.tool', { attributes: { 'mcp.tool.name': tool } }, work);
      toolCalls.inc({ tool, outcome: 'done' });
      return result;
    } catch (error) {
      toolCalls.inc({ tool, outcome: 'failed' });
      return this.failureOf(tool, error);
    }
  }

  private failureOf(tool: string, error: unknown): ToolResult {
    const { type: _type, title: _title, ...problem } = toProblem(error);
    if (!(error instanceof AppError) && problem.status >= 500) {
      const { stack, message } = error instanceof Error ? error : { stack: undefined, message: String(error) };
      this.logger.error(`tool ${tool} failed, trace_id ${problem.trace_id}: ${stack ?? message}`);
    }
    return errorResult(problem);
  }
}

export interface ToolResult {
  [member: string]: unknown;
  content: { type: 'text'; text: string }[];
  structuredContent?: Record<string, unknown>;
  isError?: boolean;
}

/** What a call of an agent answers once its task has ended. */
export function resultOfTask({ id, status, result, error }: TaskDto, givesResultAsIs: boolean): ToolResult {
  if (status === 'completed') return resultOf(givesResultAsIs ? (result as object) : { result });
  return errorResult({ code: error?.code, detail: error?.message, task_id: id, status });
}

export const errorResult = (error: object): ToolResult => ({
  content: [{ type: 'text', text: JSON.stringify(error) }],
  isError: true,
});

/** The text has documents byte for byte; the structured content has them as JavaScript reads them. */
function resultOf(value: object): ToolResult {
  const text = stringify(value);
  return { content: [{ type: 'text', text }], structuredContent: JSON.parse(text) as Record<string, unknown> };
}

const cardOf = ({ name, title, description, inputSchema, outputSchema, annotations }: ToolCard): ToolCard => ({
  name,
  title,
  description,
  inputSchema,
  outputSchema,
  annotations,
});
