import { fileURLToPath } from 'node:url';
import { api, expectStatus } from '../../test/support/client.js';
import type { Bench, Report } from '../bench.js';
import { startInstallation, TASK } from '../support/installation.js';
import { bombard, during, request } from '../support/load.js';
import { startProcess } from '../support/servers.js';
import type { Backend } from '../support/services.js';
import { percentile } from '../support/statistics.js';

const BARE_CONTROLLER = fileURLToPath(new URL('../peer/bare-controller.js', import.meta.url));
const CONNECTIONS = 32;

/** `GET /tasks/:id`, authenticated, and the same bytes from a bare Nest controller on the same adapter. */
export async function reading(bench: Bench, backend: Backend): Promise<Report> {
  const installation = await startInstallation(bench, { backend, processes: ['api'] });
  const { url, token } = installation;
  const task = expectStatus(await api(url).post('/tasks', TASK, { token }), 202).body;
  const path = `/api/v1/tasks/${task.id}`;
  const peer = await startProcess([BARE_CONTROLLER], {
    NODE_ENV: 'production',
    DOCUMENT: JSON.stringify(expectStatus(await api(url).get(`/tasks/${task.id}`, { token }), 200).body),
  });
  bench.onEnd(peer.stop);
  const rate = async (target: string, ms: number): Promise<{ perSecond: number; p99: number }> => {
    const message = request('GET', target, path, token);
    const { latencies, elapsedMs } = await bombard(target, CONNECTIONS, message, 200, during(ms));
    return { perSecond: (latencies.length / elapsedMs) * 1000, p99: percentile(latencies, 0.99) };
  };

  const ours: Awaited<ReturnType<typeof rate>>[] = [];
  const bare: typeof ours = [];
  for (const target of [url, peer.url]) await rate(target, bench.scale.submissionMs / 2);
  for (let round = 0; round < bench.scale.rounds; round++) {
    ours.push(await rate(url, bench.scale.submissionMs));
    bare.push(await rate(peer.url, bench.scale.submissionMs));
  }
  await peer.stop();
  await installation.stop();
  const about = { suite: 'reading', backend } as const;
  const both = (of: (measured: (typeof ours)[number]) => number) => ({ ours: ours.map(of), peer: bare.map(of) });
  const figures = [
    { ...about, name: 'GET /tasks/:id', unit: '/s', ...both((m) => m.perSecond), aim: { atLeastOfPeer: 0.6 } },
    { ...about, name: `GET /tasks/:id, p99 at ${CONNECTIONS} connections`, unit: 'ms', ...both((m) => m.p99) },
  ] as const;
  return { figures: [...figures], costs: [] };
}
