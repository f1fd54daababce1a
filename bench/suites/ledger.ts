import { setTimeout as pause } from 'node:timers/promises';
import type { Bench, Report } from '../bench.js';
import { type Installation, startInstallation, UNBOUNDED } from '../support/installation.js';
import { bombard, times } from '../support/load.js';
import { inDatabase } from '../support/postgres.js';
import { allCompleted } from '../support/progress.js';
import type { Backend } from '../support/services.js';
import type { Figure } from '../support/statistics.js';

const CONNECTIONS = 64;
/** Pause between two looks at the locks, ms. */
const LOOK_MS = 5;
/** Settlements of one round in which locks are watched, for each task of an end-to-end round: 10,000 at full scale. */
const SETTLEMENTS_PER_TASK = 6.67;

/** What moving credits costs, and how long settlements for one owner wait for locks. */
export async function ledger(bench: Bench, backend: Backend): Promise<Report> {
  return { figures: [await throughput(bench, backend), ...(await lockWaits(bench, backend))], costs: [] };
}

async function throughput(bench: Bench, backend: Backend): Promise<Figure> {
  const { rounds, tasks } = bench.scale;
  const start = async (isFree: boolean): Promise<Rounds> => {
    const processes = ['api,worker'];
    return new Rounds(await startInstallation(bench, { backend, processes, env: UNBOUNDED, isFree }));
  };
  const [paid, free] = [await start(false), await start(true)];
  for (const subject of [paid, free]) await subject.round(tasks / 2);
  const [ours, peer]: number[][] = [[], []];
  for (let round = 0; round < rounds; round++) {
    ours.push(await paid.round(tasks));
    peer.push(await free.round(tasks));
  }
  await paid.stop();
  await free.stop();
  return {
    ...{ suite: 'ledger', backend, name: 'tasks for credits, against tasks for nothing', unit: '/s' },
    ...{ ours, peer, aim: { atLeastOfPeer: 0.95 } },
  };
}

async function lockWaits(bench: Bench, backend: Backend): Promise<Figure[]> {
  const processes = ['api,worker', 'worker', 'worker', 'worker'];
  const subject = new Rounds(
    await startInstallation(bench, { backend, processes, env: { ...UNBOUNDED, MAX_EVENT_LOOP_LAG_MS: '60000' } }),
  );
  await subject.round(bench.scale.tasks / 2);
  const settlements = Math.round(bench.scale.tasks * SETTLEMENTS_PER_TASK);
  const waits = await watched(subject.databaseUrl, () => subject.round(settlements));
  await subject.stop();
  const figure = (name: string, longestMs: number): Figure => ({
    ...{ suite: 'ledger', backend, name, unit: 'ms', ours: [longestMs] },
    aim: { below: 50 },
  });
  return [
    figure(`longest wait for a row, ${settlements} settlements for one owner`, waits.row),
    figure(`longest wait for the feed’s lock, ${settlements} settlements for one owner`, waits.feed),
  ];
}

/** The longest waits for locks while `work` runs, ms; to the precision of `LOOK_MS`. */
function watched(databaseUrl: string, work: () => Promise<unknown>): Promise<Record<'row' | 'feed', number>> {
  return inDatabase(databaseUrl, async (client) => {
    const longest = { row: 0, feed: 0 };
    let isWorking = true;
    const working = work().finally(() => (isWorking = false));
    while (isWorking) {
      const { rows } = await client.query<{ is_feed: boolean; ms: number }>(WAITS);
      for (const { is_feed: isFeed, ms } of rows) {
        const kind = isFeed ? 'feed' : 'row';
        longest[kind] = Math.max(longest[kind], ms);
      }
      await pause(LOOK_MS);
    }
    await working;
    return longest;
  });
}

const WAITS = `
  SELECT locktype = 'advisory' AS is_feed, (extract(epoch FROM clock_timestamp() - min(waitstart)) * 1000)::float8 AS ms
    FROM pg_locks
   WHERE NOT granted AND waitstart IS NOT NULL
   GROUP BY 1`;

/** Rounds of tasks through one installation. */
class Rounds {
  private submitted = 0;

  constructor(private readonly installation: Installation) {}

  get databaseUrl(): string {
    return this.installation.databaseUrl;
  }

  stop(): Promise<void> {
    return this.installation.stop();
  }

  /** @returns tasks per second, from the first submission to the last completion */
  async round(tasks: number): Promise<number> {
    const { url, submission, databaseUrl } = this.installation;
    this.submitted += tasks;
    const { startedAt } = await bombard(url, CONNECTIONS, submission, 202, times(tasks));
    return (tasks / ((await allCompleted(databaseUrl, this.submitted)) - startedAt)) * 1000;
  }
}
