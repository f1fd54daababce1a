import { counter } from '../observability/index.js';

export const toolCalls = counter('mcp_tool_calls_total', 'Tool calls by MCP, by how they ended.', ['tool', 'outcome']);
