import type { Bench, Report } from '../bench.js';
import { startInstallation, UNBOUNDED } from '../support/installation.js';
import { bombard, during, type Load, request } from '../support/load.js';
import { untilAllQueued } from '../support/progress.js';
import type { Backend } from '../support/services.js';
import { type Figure, percentile } from '../support/statistics.js';

const CONNECTIONS = 64;
const WARM_UP_MS = 1500;

/**
 * `POST /tasks` per second, authenticated, on a process that has the API alone. The peer is `GET /health/live` of the
 * same process over the same connections: what the HTTP stack does when there is nothing to do.
 */
export async function submission(bench: Bench, backend: Backend): Promise<Report> {
  const installation = await startInstallation(bench, { backend, processes: ['api'], env: UNBOUNDED });
  const { url } = installation;
  const nothing = request('GET', url, '/health/live');
  const submit = (ms: number, counts: boolean) =>
    installation.meter.measure(
      counts,
      () => bombard(url, CONNECTIONS, installation.submission, 202, during(ms)),
      ({ latencies }) => latencies.length,
    );
  const idle = (ms: number) => bombard(url, CONNECTIONS, nothing, 200, during(ms));
  const ours = new Rounds();
  const peer = new Rounds();
  const lags: number[] = [];

  await submit(WARM_UP_MS, false);
  await untilAllQueued(installation);
  await idle(WARM_UP_MS);
  for (let round = 0; round < bench.scale.rounds; round++) {
    ours.add(await submit(bench.scale.submissionMs, true));
    lags.push(await untilAllQueued(installation));
    peer.add(await idle(bench.scale.submissionMs));
  }
  await installation.stop();

  const about = { suite: 'submission', backend };
  const atLoad = `at ${CONNECTIONS} connections`;
  const figures: Figure[] = [
    { ...about, name: 'POST /tasks', unit: '/s', ours: ours.perSecond, peer: peer.perSecond, aim: { atLeast: 1000 } },
    { ...about, name: `p50 ${atLoad}`, unit: 'ms', ours: ours.p50, peer: peer.p50 },
    { ...about, name: `p99 ${atLoad}`, unit: 'ms', ours: ours.p99, peer: peer.p99 },
    { ...about, name: 'until the queue has all of them', unit: 'ms', ours: lags },
  ];
  const costs = [await installation.meter.close({ suite: 'submission', backend, subject: 'POST /tasks' })];
  return { figures, costs };
}

class Rounds {
  readonly perSecond: number[] = [];
  readonly p50: number[] = [];
  readonly p99: number[] = [];

  add({ latencies, elapsedMs }: Load): void {
    this.perSecond.push((latencies.length / elapsedMs) * 1000);
    this.p50.push(percentile(latencies, 0.5));
    this.p99.push(percentile(latencies, 0.99));
  }
}
