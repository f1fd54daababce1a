import type { Caller } from '../auth/index.js';
import type { RawJson } from '../common/raw-json.js';
import type { AgentSelection } from './agent-selection.js';
import type { McpResources } from './resources.js';
import type { ToolCalls } from './tool-calls.js';

/** One request of a client, as the handlers of the protocol see it. */
export interface Exchange {
  caller: Caller;
  /** `params.arguments` as they were sent. */
  arguments: RawJson;
  /** What the address of the endpoint chose. */
  selection: AgentSelection;
  /** Aborted when the client has gone or its access has ended. */
  signal: AbortSignal;
  tools: ToolCalls;
  resources: McpResources;
}
