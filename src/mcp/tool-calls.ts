import { Injectable, Logger } from '@nestjs/common';
import { assertScope } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { toProblem } from '../common/problem.filter.js';
import { stringify } from '../common/raw-json.js';
import { traced } from '../observability/index.js';
import { MarketTools } from './market-tools.js';
import { toolCalls } from './metrics.js';
import type { Tool, ToolCall, ToolCard } from './tool.js';

/** Lists and calls tools for a caller. */
@Injectable()
export class ToolCalls {
  private readonly logger = new Logger('Mcp');
  private readonly market: ReadonlyMap<string, Tool>;

  constructor(market: MarketTools) {
    this.market = new Map(market.all.map((tool) => [tool.name, tool]));
  }

  list(): ToolCard[] {
    return [...this.market.values()].map(cardOf);
  }

  /** @returns undefined when there is no such tool */
  async call(name: string, call: ToolCall): Promise<ToolResult | undefined> {
    const tool = this.market.get(name);
    if (!tool) return undefined;
    try {
      assertScope(call.caller, tool.scope);
      const value = await traced('mcp.tool', { attributes: { 'mcp.tool.name': name } }, () => tool.run(call));
      toolCalls.inc({ tool: name, outcome: 'done' });
      return resultOf(value);
    } catch (error) {
      toolCalls.inc({ tool: name, outcome: 'failed' });
      return this.failureOf(name, error);
    }
  }

  /** What the REST route would answer as a problem document. */
  private failureOf(name: string, error: unknown): ToolResult {
    const { type: _type, title: _title, ...problem } = toProblem(error);
    if (!(error instanceof AppError) && problem.status >= 500) {
      const { stack, message } = error instanceof Error ? error : { stack: undefined, message: String(error) };
      this.logger.error(`tool ${name} failed, trace_id ${problem.trace_id}: ${stack ?? message}`);
    }
    return { content: [{ type: 'text', text: JSON.stringify(problem) }], isError: true };
  }
}

export interface ToolResult {
  [member: string]: unknown;
  content: { type: 'text'; text: string }[];
  structuredContent?: Record<string, unknown>;
  isError?: boolean;
}

/** The text has documents byte for byte; the structured content has them as JavaScript reads them. */
function resultOf(value: object): ToolResult {
  const text = stringify(value);
  return { content: [{ type: 'text', text }], structuredContent: JSON.parse(text) as Record<string, unknown> };
}

const cardOf = ({ name, title, description, inputSchema, outputSchema, annotations }: Tool): ToolCard => ({
  name,
  title,
  description,
  inputSchema,
  outputSchema,
  annotations,
});
