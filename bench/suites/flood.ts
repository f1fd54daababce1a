import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Bench, Report } from '../bench.js';
import type { Attack, AttackCommand, AttackReport } from '../support/attackers.js';
import { startInstallation } from '../support/installation.js';
import { Connection, request } from '../support/load.js';
import { startProcess } from '../support/servers.js';
import type { Backend } from '../support/services.js';
import { type Figure, percentile } from '../support/statistics.js';

const FLOODS: { attack: Attack; connections: number; perSecond?: number }[] = [
  { attack: 'slow headers', connections: 1000 },
  { attack: 'slow bodies', connections: 1000 },
  { attack: 'silence', connections: 5000 },
  { attack: 'rubbish', connections: 500, perSecond: 20_000 },
  { attack: 'pipelined rubbish', connections: 100, perSecond: 20_000 },
  { attack: 'autocannon', connections: 100, perSecond: 20_000 },
];
/** Of the client that means well: not the flood's. */
const ADDRESS = '127.0.0.2';
/** Between two of its pairs of requests. */
const BETWEEN_MS = 25;
const MOST_MS = 250;
/** After which it gives up, and counts as having waited so long. */
const PATIENCE_MS = 5000;
/** How much longer than a round of submissions a flood is watched. */
const LASTS = 2;

/**
 * A client that means well, with an address and an account of its own, submits tasks and reads them, while somebody else
 * floods the server; limits are as they are by default. The peer of each figure is the same client before the flood.
 */
export async function flood(bench: Bench, backend: Backend): Promise<Report> {
  const installation = await startInstallation(bench, {
    backend,
    processes: ['api,worker'],
    env: { RATE_LIMIT_ENABLED: 'true' },
  });
  const attackers = await startProcess([fileURLToPath(new URL('../support/attackers.js', import.meta.url))], {});
  bench.onEnd(attackers.stop);
  const client = new WellBehaved(installation.url, installation.token, installation.submission);
  const ms = bench.scale.submissionMs * LASTS;
  await client.during(ms / LASTS);

  const figures: Figure[] = [];
  for (const { attack, connections, perSecond } of FLOODS) {
    const calm = await client.during(ms / LASTS);
    const start: AttackCommand = { type: 'start', attack, url: installation.url, connections, perSecond };
    await attackers.ask(start);
    await pause(ms / LASTS / 2); // it gathers
    const flooded = await client.during(ms);
    const report = await attackers.ask<AttackReport>({ type: 'stop' } satisfies AttackCommand);
    await pause(500); // the server sees them go
    const what = perSecond ? attack : `${connections.toLocaleString('en')} × ${attack}`;
    const about = { suite: 'flood', backend } as const;
    const ofBoth = (request: 'posts' | 'gets', share: number) => ({
      unit: 'ms' as const,
      ours: [percentile(flooded[request], share)],
      peer: [percentile(calm[request], share)],
    });
    const aim = { below: MOST_MS };
    figures.push(
      { ...about, name: `${what}: POST /tasks, p50`, ...ofBoth('posts', 0.5) },
      { ...about, name: `${what}: POST /tasks, p99`, ...ofBoth('posts', 0.99), aim },
      { ...about, name: `${what}: GET /tasks/:id, p50`, ...ofBoth('gets', 0.5) },
      { ...about, name: `${what}: GET /tasks/:id, p99`, ...ofBoth('gets', 0.99), aim },
      { ...about, name: `${what}: refused to the client that means well`, unit: '%', ours: [flooded.refusedPercent] },
    );
    if (perSecond) {
      figures.push(
        { ...about, name: `${what}: requests sent`, unit: '/s', ours: [report.sentPerSecond] },
        { ...about, name: `${what}: requests answered`, unit: '/s', ours: [report.answeredPerSecond] },
      );
    } else {
      const ours = [(100 * report.open) / connections];
      figures.push({ ...about, name: `${what}: connections that the flood holds`, unit: '%', ours });
    }
  }
  await attackers.stop();
  await installation.stop();
  return { figures, costs: [] };
}

interface Experience {
  /** ms, whatever the answer. */
  posts: number[];
  gets: number[];
  /** Of the answers that should have been 202 or 200. */
  refusedPercent: number;
}

class WellBehaved {
  constructor(
    private readonly url: string,
    private readonly token: string,
    private readonly submission: string,
  ) {}

  /** Submits a task and reads it, again and again, as one who waits for answers. */
  async during(ms: number): Promise<Experience> {
    const experience: Experience = { posts: [], gets: [], refusedPercent: 0 };
    let refused = 0;
    let connection = await Connection.open(this.url, ADDRESS);
    const timed = async (message: string, status: number, times: number[]): Promise<string | undefined> => {
      const start = performance.now();
      try {
        const answer = await inTime(connection.send(message));
        if (answer.status === status) return answer.body;
      } catch {
        // A server that is too busy may close, or be too slow: one connects again, and has waited all the same.
        connection.close();
        connection = await Connection.open(this.url, ADDRESS);
      } finally {
        times.push(performance.now() - start);
      }
      refused += 1;
      return undefined;
    };
    for (const end = performance.now() + ms; performance.now() < end; await pause(BETWEEN_MS)) {
      const body = await timed(this.submission, 202, experience.posts);
      if (body === undefined) continue;
      const { id } = JSON.parse(body) as { id: string };
      await timed(request('GET', this.url, `/api/v1/tasks/${id}`, this.token), 200, experience.gets);
    }
    connection.close();
    experience.refusedPercent = (100 * refused) / (experience.posts.length + experience.gets.length);
    return experience;
  }
}

async function inTime<T>(answer: Promise<T>): Promise<T> {
  const giveUp = new AbortController();
  const late = pause(PATIENCE_MS, undefined, { signal: giveUp.signal }).then(() => Promise.reject(new Error('late')));
  late.catch(() => undefined); // aborted, when the answer came first
  try {
    return await Promise.race([answer, late]);
  } finally {
    giveUp.abort();
  }
}
