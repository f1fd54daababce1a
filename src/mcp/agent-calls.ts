import { inputRequired, type ServerContext } from '@modelcontextprotocol/server';
import { isTerminal } from '../tasks/index.js';
import type { AgentCall, AgentOutcome, AgentTool } from './agent-tools.js';
import { formOf } from './elicitation.js';
import type { Exchange } from './exchange.js';
import { presentTask } from './mcp-tasks.js';
import { errorResult, resultOfTask } from './tool-calls.js';

/** What a client can do beside calling tools. */
export interface ClientAbilities {
  /** It speaks the revision 2026-07-28. */
  isModern: boolean;
  /** It can show its user a form. */
  canElicit: boolean;
  /** It takes a task instead of a result, and asks for the task's state. */
  followsTasks: boolean;
}

/** @returns the answer to a call of a chosen agent; undefined when the caller has chosen no such agent */
export async function answerAgentCall(
  name: string,
  exchange: Exchange,
  context: ServerContext,
  can: ClientAbilities,
): Promise<object | undefined> {
  const call = callOf(exchange, context, can);
  if (call === 'unreadable') return errorResult(UNREADABLE_STATE);
  const tool = await exchange.tools.findAgent(name, call);
  if (!tool) return undefined;
  return exchange.tools.measured('agent', async () => {
    const { agents } = exchange.tools;
    if (can.followsTasks && !call.resumed) {
      return { resultType: 'task', ...presentTask(await agents.submit(tool, call)) };
    }
    const outcome = await agents.call(tool, call);
    if (call.signal.aborted && can.isModern && !isTerminal(outcome.task.status)) {
      // In this revision a client cancels a call by closing its connection.
      await agents.cancel(call.caller, outcome.task.id);
    }
    return shown(tool, outcome, can);
  });
}

/** Taken for a new call, it would submit a second task. */
const UNREADABLE_STATE = {
  code: 'BAD_REQUEST_STATE',
  detail: 'requestState is none that this server gave: repeat the one of the last answer, or call without one.',
};

function callOf(exchange: Exchange, { mcpReq }: ServerContext, can: ClientAbilities): AgentCall | 'unreadable' {
  const token = mcpReq._meta?.progressToken;
  const state = mcpReq.requestState();
  const [, taskId, seq] = /^([0-9a-f-]{36}) (\d{1,15})$/.exec(String(state ?? '')) ?? [];
  if (state !== undefined && taskId === undefined) return 'unreadable';
  return {
    caller: exchange.caller,
    arguments: exchange.arguments,
    selection: exchange.selection,
    signal: AbortSignal.any([mcpReq.signal, exchange.signal]),
    canElicit: can.canElicit,
    resumed: taskId === undefined ? undefined : { taskId, seq: Number(seq) },
    answers: mcpReq.inputResponses ?? {},
    onProgress:
      token === undefined
        ? undefined
        : (progress, message) =>
            mcpReq.notify({
              method: 'notifications/progress',
              params: { progressToken: token, progress, message },
            }),
  };
}

/**
 * The state of a call is its task, which the caller names as in any other request: later rounds check that it is theirs,
 * so the state needs no signature.
 */
function shown({ card }: AgentTool, outcome: AgentOutcome, { canElicit }: ClientAbilities): object {
  const { task } = outcome;
  if (outcome.end === 'ended') return resultOfTask(task, card.givesResultAsIs);
  const { question, seq } = outcome;
  if (canElicit) {
    return inputRequired({
      inputRequests: { [question.id]: inputRequired.elicit(formOf(question)) },
      requestState: `${task.id} ${seq}`,
    });
  }
  const next = 'Answer it with answer_question, then read the task with get_task.';
  return errorResult({ code: 'INPUT_REQUIRED', detail: next, task_id: task.id, question });
}
