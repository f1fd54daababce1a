import { CONSENT_KINDS } from '../common/permissions.js';
import { TASK_PRIORITIES } from '../queue/index.js';
import type { ObjectSchema } from './tool.js';

const text = (description: string, more: object = {}) => ({ type: 'string', description, ...more });
const credits = (description: string) => ({ type: ['number', 'string'], description });

/** What `POST /api/v1/tasks` takes, in the words of a client that has not read its reference. */
const TASK_MEMBERS = {
  required_capabilities: {
    type: 'array',
    items: { type: 'string' },
    description: 'Capabilities that the agent should offer, such as ["summarise"]. Empty: any agent may bid.',
  },
  budget: credits('The most that you pay for the work, in credits. It is held at once; what is not spent is released.'),
  input: { description: 'Any JSON value but null: what the agent reads. Required, unless input_ref is given.' },
  input_ref: text('Instead of input: SHA-256 of a document that you have uploaded.', { pattern: '^[0-9a-f]{64}$' }),
  result_as: { enum: ['value', 'ref'], description: 'ref: a large result is stored as a document of its own.' },
  description: text('For people.', { maxLength: 2000 }),
  priority: { enum: [...TASK_PRIORITIES] },
  context_id: text('Groups tasks of one conversation: 1 to 64 letters, digits, or . _ : -'),
  only_agent_id: text('Only this agent may bid, at its price: UUID, see find_agents.', { format: 'uuid' }),
  timeout_ms: { type: 'integer', minimum: 1, description: 'Wall time of one attempt, ms.' },
  deadline: text('By when the task must have ended (RFC 3339).'),
  run_at: text('Do not start before this (RFC 3339).'),
  delay_ms: { type: 'integer', minimum: 0, description: 'Do not start for so long, ms.' },
  weights: {
    type: 'object',
    description: 'What the auction values: relative weights.',
    properties: Object.fromEntries(
      ['price', 'quality', 'speed', 'reputation'].map((name) => [name, { type: 'number' }]),
    ),
  },
  limits: { type: 'object', description: 'Less than the server allows one run.' },
  region: text('Where it would rather be done.'),
  region_required: { type: 'boolean', description: 'Nowhere but in region.' },
  share_logs: { type: 'boolean', description: 'Whether owners of the agents at work may read their logs.' },
  allow: {
    type: 'object',
    description: 'What agents may do beside computing. Default: nothing.',
    properties: Object.fromEntries(CONSENT_KINDS.map((name) => [name, { type: 'boolean' }])),
    additionalProperties: false,
  },
  max_host_cost: credits('The most that host calls may cost, on top of the budget. Default: 0.'),
};

export const TASK_INPUT: ObjectSchema = {
  type: 'object',
  properties: TASK_MEMBERS,
  required: ['required_capabilities', 'budget'],
  additionalProperties: false,
};

export const SUBMISSION_INPUT: ObjectSchema = {
  ...TASK_INPUT,
  properties: {
    ...TASK_MEMBERS,
    wait_seconds: {
      type: 'integer',
      minimum: 0,
      maximum: 50,
      description: 'Answer once the task has ended, or after this time as it then stands. Default: 0.',
    },
    idempotency_key: text('Makes it safe to call again: the same key and arguments answer the first task.'),
  },
};

export const TASK_ID_INPUT: ObjectSchema = {
  type: 'object',
  properties: { id: text('UUID of the task.', { format: 'uuid' }) },
  required: ['id'],
  additionalProperties: false,
};

export const ANSWER_INPUT: ObjectSchema = {
  type: 'object',
  properties: {
    id: text('UUID of the task.', { format: 'uuid' }),
    question_id: text('question.id of the task.', { format: 'uuid' }),
    answer: { description: 'Any JSON value that fits question.schema.' },
  },
  required: ['id', 'question_id', 'answer'],
  additionalProperties: false,
};

export const AGENT_LIST_INPUT: ObjectSchema = {
  type: 'object',
  properties: {
    capability: text('Only agents that offer this capability.'),
    mine: { type: 'boolean', description: 'Only your own agents.' },
    limit: { type: 'integer', minimum: 1, maximum: 100, description: 'Agents per page. Default: 20.' },
    cursor: text('next_cursor of the page before.'),
  },
  additionalProperties: false,
};

export const TASK_OUTPUT: ObjectSchema = {
  type: 'object',
  properties: {
    id: text('UUID of the task.'),
    status: { enum: ['queued', 'assigned', 'running', 'input_required', 'completed', 'failed', 'cancelled'] },
    result: { description: 'The answer of the agent; null unless completed.' },
    error: { type: ['object', 'null'] },
    cost: { type: ['number', 'null'], description: 'Credits; null unless completed.' },
  },
  required: ['id', 'status'],
};

export const AGENT_LIST_OUTPUT: ObjectSchema = {
  type: 'object',
  properties: { items: { type: 'array', items: { type: 'object' } }, next_cursor: { type: ['string', 'null'] } },
  required: ['items', 'next_cursor'],
};

export const AUCTION_OUTPUT: ObjectSchema = {
  type: 'object',
  properties: { bids: { type: 'array', items: { type: 'object' } }, failure: { type: ['object', 'null'] } },
  required: ['bids', 'failure'],
};
