import { once } from 'node:events';
import { io } from 'socket.io-client';
import type { FeedEvent } from '../../src/feed/index.js';
import type { Bench, Report } from '../bench.js';
import { BarePipeline } from '../peer/bare-pipeline.js';
import { sampleDocuments } from '../peer/statements.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { Connection } from '../support/load.js';
import { inDatabase } from '../support/postgres.js';
import { allCompleted } from '../support/progress.js';
import type { Backend } from '../support/services.js';
import { type Figure, percentile } from '../support/statistics.js';

const WARM_UP_TASKS = 50;

/** One task at a time, from its `POST` until `task.completed` arrives over Socket.IO. */
export async function latency(bench: Bench, backend: Backend): Promise<Report> {
  const installation = await startInstallation(bench, { backend, processes: ['api,worker'] });
  const client = await SingleTasks.open(installation);
  await installation.meter.measure(false, () => client.run(WARM_UP_TASKS), WARM_UP_TASKS);
  await allCompleted(installation.databaseUrl, WARM_UP_TASKS);
  const peer = await BarePipeline.start(bench, backend, await sampleDocuments(installation.databaseUrl));
  await peer.meter.measure(false, () => repeat(WARM_UP_TASKS, () => peer.one()), WARM_UP_TASKS);

  const { rounds, singleTasks } = bench.scale;
  const ours: number[][] = [];
  const theirs: number[][] = [];
  for (let round = 0; round < rounds; round++) {
    ours.push(await installation.meter.measure(true, () => client.run(singleTasks), singleTasks));
    theirs.push(await peer.meter.measure(true, () => repeat(singleTasks, () => peer.one()), singleTasks));
  }
  const startedAfter = await startTimes(installation.databaseUrl, rounds * singleTasks);
  client.close();
  await installation.stop();
  await peer.stop();

  const about = { suite: 'latency', backend, unit: 'ms' } as const;
  const at = (share: number) => ({
    ours: ours.map((round) => percentile(round, share)),
    peer: theirs.map((round) => percentile(round, share)),
  });
  const figures: Figure[] = [
    { ...about, name: 'submitted → completed, p50', ...at(0.5), aim: { below: 25 } },
    { ...about, name: 'submitted → completed, p99', ...at(0.99) },
    { ...about, name: 'stored → started, p50', ours: [percentile(startedAfter, 0.5)], aim: { below: 10 } },
    { ...about, name: 'stored → started, p99', ours: [percentile(startedAfter, 0.99)] },
  ];
  const costs = [
    await installation.meter.close({ suite: 'latency', backend, subject: 'one process' }),
    await peer.meter.close({ suite: 'latency', backend, subject: 'bare pipeline' }),
  ];
  return { figures, costs };
}

/** Of the last so many tasks, ms from the moment the row was stored to that at which its agent had its sandbox. */
async function startTimes(databaseUrl: string, count: number): Promise<number[]> {
  return inDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<{ ms: number }>(STARTED_AFTER, [count]);
    return rows.map(({ ms }) => ms);
  });
}

const STARTED_AFTER = `
  SELECT (extract(epoch FROM started_at - created_at) * 1000)::float8 AS ms
    FROM tasks ORDER BY id DESC LIMIT $1`;

async function repeat(count: number, measure: () => Promise<number>): Promise<number[]> {
  const values: number[] = [];
  while (values.length < count) values.push(await measure());
  return values;
}

/** A client that submits over HTTP and hears over Socket.IO what becomes of it. */
class SingleTasks {
  /** When each task's completion was heard of. */
  private readonly completedAt = new Map<string, number>();
  private heard: () => void = () => undefined;

  private constructor(
    private readonly installation: Installation,
    private readonly socket: ReturnType<typeof io>,
  ) {
    socket.on('event', ({ type, task_id: id }: FeedEvent) => {
      if (type !== 'task.completed' || id === null) return;
      this.completedAt.set(id, performance.now());
      this.heard();
    });
  }

  static async open(installation: Installation): Promise<SingleTasks> {
    const { url, token } = installation;
    const socket = io(url, { transports: ['websocket'], auth: { token } });
    const client = new SingleTasks(installation, socket);
    await once(socket as never, 'connect');
    return client;
  }

  /** One after the other. @returns ms from the submission of each to the news of its completion */
  async run(count: number): Promise<number[]> {
    const connection = await Connection.open(this.installation.url);
    const values = await repeat(count, () => this.one(connection));
    connection.close();
    return values;
  }

  /** The news may overtake the answer to the POST. */
  private async one(connection: Connection): Promise<number> {
    const start = performance.now();
    const { status, body } = await connection.send(this.installation.submission);
    if (status !== 202) throw new Error(`expected 202, got ${status}: ${body}`);
    const { id } = JSON.parse(body) as { id: string };
    while (!this.completedAt.has(id)) await new Promise<void>((resolve) => (this.heard = resolve));
    return this.completedAt.get(id)! - start;
  }

  close(): void {
    this.socket.close();
  }
}
