import type { SandboxedJob } from 'bullmq';
import pg from 'pg';
import { engine } from '../../../src/execution/sandbox/engine.js';
import { type Documents, Statements } from '../statements.js';
import { runInProcess } from './in-process.js';

/** A process of BullMQ's sandboxed processor: the durable steps of a task, and between them the agent, compiled once. */
const { AGENT, DATABASE_URL, DOCUMENTS } = process.env as Record<string, string>;
const module = new engine.Module(Buffer.from(AGENT, 'base64'));
const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 1 });
pool.on('error', () => undefined); // the query under way is told
const statements = new Statements(pool, JSON.parse(DOCUMENTS) as Documents);

export default async function processTask({ id }: SandboxedJob): Promise<void> {
  const input = await statements.claim(id!);
  await statements.run(id!);
  runInProcess(module, Buffer.from(input));
  await statements.settle(id!);
}
