import {
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  MissingRequiredClientCapabilityError,
  ProtocolErrorCode,
  type Server,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { assertScope } from '../auth/index.js';
import type { TaskDto } from '../task-api/index.js';
import { formOf } from './elicitation.js';
import type { Exchange } from './exchange.js';
import { asProtocolError } from './protocol-error.js';
import { resultOfTask } from './tool-calls.js';

/** The extension by which a call answers a task at once, and its client asks for the result later. */
export const TASKS = 'io.modelcontextprotocol/tasks';

const POLL_MS = 1000;
const PARAMS = z.looseObject({ taskId: z.string() });

/** Tasks of the market as tasks of the protocol. They are the same rows, so any node answers. */
export function serveTasks(server: Server, { caller, tools }: Exchange): void {
  const { agents } = tools;
  server.setRequestHandler('tasks/get', { params: PARAMS }, ({ taskId }, context) =>
    refused(context, async () => {
      assertScope(caller, 'tasks:read');
      const task = await agents.task(caller, taskId);
      return detailed(task, await agents.givesResultAsIs(caller, task));
    }),
  );
  server.setRequestHandler('tasks/cancel', { params: PARAMS }, ({ taskId }, context) =>
    refused(context, async () => {
      assertScope(caller, 'tasks:write');
      await agents.cancel(caller, taskId);
      return {};
    }),
  );
  server.setRequestHandler('tasks/update', { params: PARAMS }, ({ taskId }, context) =>
    refused(context, async () => {
      assertScope(caller, 'tasks:write');
      await agents.answer(caller, taskId, context.mcpReq.inputResponses ?? {});
      return {};
    }),
  );
}

/** The members that every answer about a task has. */
export const presentTask = ({ id, status, created_at, started_at, completed_at }: TaskDto) => ({
  taskId: id,
  status: STATUSES[status],
  statusMessage: status,
  createdAt: created_at,
  lastUpdatedAt: completed_at ?? started_at ?? created_at,
  ttlMs: null,
  pollIntervalMs: POLL_MS,
});

/** A task that failed is a call that completed with an error, as a tool's error is. */
const STATUSES = {
  queued: 'working',
  assigned: 'working',
  running: 'working',
  input_required: 'input_required',
  completed: 'completed',
  failed: 'completed',
  cancelled: 'cancelled',
} as const;

function detailed(task: TaskDto, givesResultAsIs: boolean): Record<string, unknown> {
  const { question } = task;
  const shown = presentTask(task);
  if (question) {
    const inputRequests = { [question.id]: inputRequired.elicit(formOf(question)) };
    return { ...shown, status: 'input_required', inputRequests };
  }
  // It was answered, and the agent waits for a place to run.
  if (shown.status === 'input_required') return { ...shown, status: 'working' };
  return shown.status === 'completed' ? { ...shown, result: resultOfTask(task, givesResultAsIs) } : shown;
}

/** What the client says of itself in each request of the revision 2026-07-28. */
export const capabilitiesOf = ({ envelope }: ServerContext['mcpReq']): { elicitation?: object; extensions?: object } =>
  (envelope as Record<string, object> | undefined)?.[CLIENT_CAPABILITIES_META_KEY] ?? {};

/** Only clients that know the extension may use it. Errors of services take the protocol's form. */
async function refused<T>({ mcpReq }: ServerContext, work: () => Promise<T>): Promise<T> {
  const { extensions = {} } = capabilitiesOf(mcpReq);
  if (!(TASKS in extensions)) {
    throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS]: {} } } });
  }
  return work().catch(asProtocolError(ProtocolErrorCode.InvalidParams));
}
