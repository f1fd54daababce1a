import { EXAMPLE_IDS } from '../common/api-schema.js';
import type { TaskDto } from './task.dto.js';

/** What the API's documentation shows of tasks. */

const TEXT = 'ZeroState is a market of agents. Agents are WebAssembly. They bid for tasks.';
const AGENT_ID = EXAMPLE_IDS.agent;

export const SUBMISSION_EXAMPLES = {
  summary: {
    summary: 'Summarise a text',
    value: { required_capabilities: ['summarise'], budget: 1.5, input: { text: TEXT } },
  },
  everything: {
    summary: 'Every member',
    value: {
      required_capabilities: ['summarise'],
      budget: 0.75,
      input: { text: TEXT },
      description: 'Summary for the front page',
      result_as: 'value',
      priority: 'high',
      timeout_ms: 5000,
      deadline: '2099-01-01T00:00:00Z',
      delay_ms: 0,
      weights: { price: 1, quality: 2, speed: 0, reputation: 1 },
      limits: { memory_mb: 64, cpu_ms: 2000, output_bytes: 65_536 },
    },
  },
  large: {
    summary: 'Large documents: an input brought before, a result by reference',
    value: {
      required_capabilities: ['summarise'],
      budget: 1.5,
      input_ref: '93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476',
      result_as: 'ref',
    },
  },
};

export const QUEUED_TASK: TaskDto = {
  id: EXAMPLE_IDS.task,
  parent_id: null,
  status: 'queued',
  retry_of: null,
  context_id: null,
  required_capabilities: ['summarise'],
  budget: 1.5,
  priority: 'normal',
  description: null,
  timeout_ms: 30_000,
  agent_id: null,
  version: null,
  error: null,
  cost: null,
  rating: null,
  run_at: null,
  deadline: null,
  created_at: '2026-11-24T09:30:00.000Z',
  started_at: null,
  completed_at: null,
  question: null,
  only_agent_id: null,
  input: { text: TEXT },
  input_ref: null,
  input_size: null,
  result_as: 'value',
  limits: null,
  region: null,
  region_required: false,
  share_logs: false,
  allow: {},
  max_host_cost: 0,
  host_cost: 0,
  attempts: [],
  result: null,
  result_ref: null,
  result_size: null,
};

export const COMPLETED_TASK: TaskDto = {
  ...QUEUED_TASK,
  status: 'completed',
  agent_id: AGENT_ID,
  version: '1.0.0',
  cost: 0.5,
  started_at: '2026-11-24T09:30:00.012Z',
  completed_at: '2026-11-24T09:30:00.015Z',
  attempts: [
    {
      ordinal: 1,
      agent_id: AGENT_ID,
      version: '1.0.0',
      price: 0.5,
      outcome: 'completed',
      error: null,
      metering: {
        wall_ms: 1.38,
        cpu_ms: 1.21,
        peak_memory_bytes: 1_114_112,
        bytes_in: 87,
        bytes_out: 52,
        host_calls: 3,
      },
      started_at: '2026-11-24T09:30:00.010Z',
      ended_at: '2026-11-24T09:30:00.015Z',
    },
  ],
  result: { summary: 'ZeroState is a market of agents.' },
};
