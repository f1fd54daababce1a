import { PERMISSION_KINDS, type PermissionKind } from '../common/permissions.js';
import { integer, list, MB } from './variable-types.js';

/** The operator's ceiling for calls of agents to the host. */
export const hostCallVariables = {
  HOST_CALLS: list(PERMISSION_KINDS.join(','))
    .transform((names, context): PermissionKind[] => {
      if (names.length === 1 && names[0] === 'none') return [];
      const known = PERMISSION_KINDS.filter((kind) => names.includes(kind));
      if (known.length < new Set(names).size) {
        context.addIssue({ code: 'custom', message: `must be none, or some of: ${PERMISSION_KINDS.join(', ')}` });
      }
      return known;
    })
    .describe('What agents may ask of the host at most: `http`, `llm`, `kv`, `ask`, `tasks`, `output`; or `none`'),
  HOST_CALLS_PER_ATTEMPT: integer(1000, 0, 100_000).describe('Host calls of one attempt'),
  HOST_CALL_REQUEST_BYTES: integer(MB, 1024, 16 * MB).describe('Largest request of a host call'),
  HOST_CALL_ANSWER_BYTES: integer(4 * MB, 1024, 64 * MB).describe('Largest answer of a host call'),
  HOST_CALL_ATTEMPT_BYTES: integer(64 * MB, 1024).describe(
    'Requests and answers of the host calls of one attempt together, bytes',
  ),
  HOST_CALL_TIMEOUT_MS: integer(60_000, 100, 3_600_000).describe('Longest time of one host call, ms'),
  HOST_CALL_OUTPUT_BYTES: integer(MB, 1024, 64 * MB).describe('Partial results of one attempt together, bytes'),
  QUESTIONS_PER_ATTEMPT: integer(20, 1, 1000).describe('Questions that one attempt may ask its submitter'),
  QUESTION_WAIT_MS: integer(24 * 3_600_000, 1000, 7 * 24 * 3_600_000).describe(
    'Longest wait for the answer to a question, ms',
  ),
  QUESTION_ANSWER_BYTES: integer(64 * 1024, 1024, 256 * 1024).describe('Largest answer to a question'),
  PARKED_AGENTS: integer(16, 0, 10_000).describe(
    'Agents of one worker process that wait for an answer, beside those in slots; each keeps some 50 MB and what it has allocated',
  ),
  PARKED_AGENTS_PER_ACCOUNT: integer(8, 0, 10_000).describe(
    'How many of these may belong to one account, as submitter or as owner of the agent',
  ),
  SUB_TASKS_PER_TASK: integer(50, 0, 10_000).describe(
    'Sub-tasks below one task, at all depths together, until it is retried by hand',
  ),
  AGENT_STATE_ENTRIES: integer(10_000, 1).describe('Entries in the state of one agent'),
  AGENT_STATE_BYTES: integer(16 * MB, 1024).describe('Keys and values in the state of one agent together, bytes'),
  AGENT_STATE_VALUE_BYTES: integer(256 * 1024, 1, 16 * MB).describe('Largest value in the state of an agent'),
};
