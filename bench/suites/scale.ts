import { api, expectStatus, waitForTask } from '../../test/support/client.js';
import { newId } from '../../src/common/ids.js';
import type { Bench, Report } from '../bench.js';
import { type Installation, startInstallation, TASK, UNBOUNDED } from '../support/installation.js';
import { Connection, request } from '../support/load.js';
import { copyFinishedTask, REGISTER } from '../support/population.js';
import { inDatabase } from '../support/postgres.js';
import type { Backend } from '../support/services.js';
import { type Figure, percentile } from '../support/statistics.js';

const REGISTERED = 100_000;
const CAPABILITIES_OF_EACH = 5;
const FINISHED = 100_000;
const WAITING = 10_000;
/** What one request takes. */
const BATCH = 1000;
/** Of a list. */
const PAGE = 20;
const SAMPLES = 50;
const MOST = 2;
/**
 * What a user asks for, of a system with 100,000 agents, 100,000 finished tasks of this very user and 10,000 that wait,
 * and, in turns, of one with three agents and a page of finished tasks. The API alone, one request at a time.
 */
export async function scale(bench: Bench, backend: Backend): Promise<Report> {
  const systems: Installation[] = [];
  for (let count = 0; count < 2; count++)
    systems.push(await startInstallation(bench, { backend, processes: ['api'], env: UNBOUNDED }));
  const [full, empty] = systems;
  const done = await Promise.all(systems.map(finishOne));
  await populate(full);
  await inDatabase(empty.databaseUrl, (client) => copyFinishedTask(client, PAGE));
  await fillQueue(full, WAITING);
  await inDatabase(full.databaseUrl, (client) => client.query('ANALYZE'));

  const figures: Figure[] = [];
  for (const { name, of, grows } of QUESTIONS) {
    const messages = systems.map((system, index) => of(system, done[index]));
    const connections = await Promise.all(systems.map(({ url }) => Connection.open(url)));
    const times: [number[][], number[][]] = [[], []];
    // The first answer may wait for a catalogue to be read, or a plan to be made.
    for (const [index] of systems.entries()) await repeat(connections[index], messages[index], 10);
    for (let round = 0; round < bench.scale.rounds; round++) {
      for (const [index] of systems.entries()) {
        times[index].push(await repeat(connections[index], messages[index], SAMPLES));
      }
    }
    for (const connection of connections) connection.close();
    for (const share of [0.5, 0.99]) {
      const [ours, peer] = times.map((rounds) => rounds.map((round) => percentile(round, share)));
      const aim = share === 0.5 && !grows ? { aim: { atMostOfPeer: MOST } } : {};
      figures.push({ suite: 'scale', backend, name: `${name}, p${share * 100}`, unit: 'ms', ours, peer, ...aim });
    }
  }
  for (const system of [full, empty]) await system.stop();
  return { figures, costs: [] };
}

interface Question {
  name: string;
  of: (system: Installation, doneId: string) => string;
  /** The answer itself grows with what waits, and so does its time: measured, without an aim. */
  grows?: true;
}

const QUESTIONS: Question[] = [
  { name: 'list my tasks', of: ({ url, token }) => request('GET', url, `/api/v1/tasks?limit=${PAGE}`, token) },
  {
    name: 'list my completed tasks',
    of: ({ url, token }) => request('GET', url, `/api/v1/tasks?limit=${PAGE}&status=completed`, token),
  },
  {
    name: 'list my failed tasks (none)',
    of: ({ url, token }) => request('GET', url, `/api/v1/tasks?limit=${PAGE}&status=failed`, token),
  },
  { name: 'read a task', of: ({ url, token }, id) => request('GET', url, `/api/v1/tasks/${id}`, token) },
  { name: 'its events', of: ({ url, token }, id) => request('GET', url, `/api/v1/tasks/${id}/events`, token) },
  { name: 'list agents', of: ({ url, token }) => request('GET', url, '/api/v1/agents?limit=3', token) },
  {
    name: 'search agents by capability (three have it)',
    of: ({ url, token }) => request('GET', url, '/api/v1/agents?capability=echo', token),
  },
  { name: 'submit a task', of: ({ submission }) => submission },
  {
    name: 'hold an auction (simulated)',
    of: ({ url, token }) => request('POST', url, '/api/v1/auctions/simulate', token, TASK),
  },
  {
    name: 'queue statistics (counts what waits)',
    grows: true,
    of: ({ url, adminToken }) => request('GET', url, '/api/v1/queue/stats', adminToken),
  },
];

/** @returns ms of each */
async function repeat(connection: Connection, message: string, count: number): Promise<number[]> {
  const times: number[] = [];
  while (times.length < count) {
    const start = performance.now();
    const { status, body } = await connection.send(message);
    times.push(performance.now() - start);
    if (status >= 300) throw new Error(`got ${status}: ${body}`);
  }
  return times;
}

/** By a worker that is there for this alone. @returns the id of the task */
async function finishOne({ url, token, add }: Installation): Promise<string> {
  const worker = await add('worker');
  const { id } = expectStatus(await api(url).post('/tasks', TASK, { token }), 202).body;
  await waitForTask(url, token, id, 'completed');
  await worker.stop();
  return id as string;
}

async function populate({ databaseUrl }: Installation): Promise<void> {
  await inDatabase(databaseUrl, async (client) => {
    await client.query(REGISTER, [newId(), REGISTERED, CAPABILITIES_OF_EACH]);
    await copyFinishedTask(client, FINISHED);
  });
}

/** As a user would: in batches. */
export async function fillQueue({ url, token }: Installation, count: number): Promise<void> {
  const tasks = Array.from({ length: BATCH }, () => ({ ...TASK, priority: 'low' }));
  for (let left = count; left > 0; left -= BATCH) {
    const some = tasks.slice(0, Math.min(left, BATCH));
    expectStatus(await api(url).post('/tasks/batch', { tasks: some }, { token }), 202);
  }
}
