export { guardMcp, MCP_PATH, METADATA_PATH } from './origin-guard.js';
export { McpModule } from './mcp.module.js';
