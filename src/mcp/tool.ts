import type { Caller } from '../auth/index.js';
import type { Scope } from '../common/access.js';
import type { RawJson } from '../common/raw-json.js';

/** JSON Schema as MCP shows it: of an object. */
export type ObjectSchema = { type: 'object'; [keyword: string]: unknown };

/** A tool as `tools/list` shows it. */
export interface ToolCard {
  name: string;
  title: string;
  description: string;
  inputSchema: ObjectSchema;
  outputSchema?: ObjectSchema;
  annotations?: {
    readOnlyHint?: boolean;
    destructiveHint?: boolean;
    idempotentHint?: boolean;
    openWorldHint?: boolean;
  };
}

/** A tool that the server itself offers. */
export interface Tool extends ToolCard {
  /** What an API key needs for it. */
  scope: Scope;
  /** @returns an object that fits `outputSchema` @throws AppError that the client reads as the tool's error */
  run(call: ToolCall): Promise<object>;
}

export interface ToolCall {
  caller: Caller;
  /** As the client sent them: inputs of tasks stay as they are, byte for byte. */
  arguments: RawJson;
  /** Aborted when the client has gone or its access has ended. */
  signal: AbortSignal;
}
