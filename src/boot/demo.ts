import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import type { ScoreboardDto } from '../auction/index.js';
import type { TaskDto } from '../task-api/index.js';

const WAIT_MS = 30_000;

const TASK = {
  description: 'The demonstration task of the first start',
  required_capabilities: ['summarise'],
  budget: 1.5,
  input: {
    text:
      'ZeroState is an open market of agents. Owners upload an agent as one WebAssembly binary. Users submit tasks ' +
      'with a budget. An auction picks the agent by price, quality, speed and reputation. The task waits in a ' +
      'distributed queue until a worker is free. The agent runs in a sandbox without files and without network. ' +
      'Submitters and owners watch live, and the server explains the decision of the auction to the last decimal.',
  },
};

/** Runs one task over HTTP, as a client would, and prints the auction's scoreboard and the result. */
export async function showMainJob(url: string, token: string): Promise<void> {
  const logger = new Logger('Demo');
  try {
    const submitted = await call<TaskDto>(url, token, '/tasks', TASK);
    const task = await ended(url, token, submitted.id);
    const { rounds } = await call<{ rounds: ScoreboardDto[] }>(url, token, `/tasks/${task.id}/auction`);
    console.log(`  Task ${task.id} asked for an agent that can ${TASK.required_capabilities.join(', ')}:\n`);
    console.log(scoreboardTable(rounds[rounds.length - 1]));
    console.log(`\n  ${task.status}${task.cost === null ? '' : ` for ${task.cost} credits`}:`);
    console.log(JSON.stringify(task.result ?? task.error, null, 2).replace(/^/gm, '  '));
    console.log(`\n  Next: ${url}/docs, or the tour in README.md\n`);
  } catch (error) {
    logger.warn(`the demonstration task did not complete: ${(error as Error).message}`);
  }
}

async function ended(url: string, token: string, id: string): Promise<TaskDto> {
  const deadline = Date.now() + WAIT_MS;
  while (Date.now() < deadline) {
    const task = await call<TaskDto>(url, token, `/tasks/${id}`);
    if (task.completed_at) return task;
    await sleep(50);
  }
  throw new Error(`the task has not ended within ${WAIT_MS / 1000} s`);
}

async function call<T>(url: string, token: string, path: string, body?: object): Promise<T> {
  const response = await fetch(`${url}/api/v1${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

function scoreboardTable({ bids, weights }: ScoreboardDto): string {
  const percent = (weight: number) => `${Math.round(weight * 100)}%`;
  const header = [
    'rank',
    'agent',
    'price',
    'rating',
    'est. ms',
    'done',
    `price ${percent(weights.price)}`,
    `quality ${percent(weights.quality)}`,
    `speed ${percent(weights.speed)}`,
    `reput. ${percent(weights.reputation)}`,
    'total',
  ];
  const rows = bids.map((bid) => [
    String(bid.rank),
    bid.agent_name,
    bid.price.toFixed(2),
    bid.rating.toFixed(2),
    String(bid.estimated_ms),
    String(bid.tasks_completed),
    bid.terms.price.toFixed(3),
    bid.terms.quality.toFixed(3),
    bid.terms.speed.toFixed(3),
    bid.terms.reputation.toFixed(3),
    bid.total.toFixed(4),
  ]);
  return table([header, ...rows]);
}

/** Left-aligned first two columns, right-aligned figures, a rule under the header. */
function table(rows: string[][]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join('  '),
  );
  lines.splice(1, 0, widths.map((width) => '─'.repeat(width)).join('  '));
  return lines.map((line) => `  ${line}`).join('\n');
}
