import { api, expectStatus, registerUser } from '../../test/support/client.js';
import type { Bench, Report } from '../bench.js';
import { startInstallation } from '../support/installation.js';
import type { Backend } from '../support/services.js';
import { percentile } from '../support/statistics.js';

const LOGINS = 30;
const WRONG = 'a password that is not the right one';

/** Whether the time of a refusal tells a stranger which accounts there are. */
export async function login(bench: Bench, backend: Backend): Promise<Report> {
  const installation = await startInstallation(bench, { backend, processes: ['api'] });
  const { email } = await registerUser(installation.url);
  const refusal = async (account: string): Promise<number> => {
    const start = performance.now();
    const answer = await api(installation.url).post('/auth/login', { email: account, password: WRONG });
    const ms = performance.now() - start;
    expectStatus(answer, 401);
    return ms;
  };
  const unknown: number[] = [];
  const known: number[] = [];
  for (let round = 0; round < bench.scale.rounds; round++) {
    const times = { unknown: [] as number[], known: [] as number[] };
    for (let count = 0; count < LOGINS; count++) {
      times.unknown.push(await refusal(`nobody-${count}@example.com`));
      times.known.push(await refusal(email));
    }
    unknown.push(percentile(times.unknown, 0.5));
    known.push(percentile(times.known, 0.5));
  }
  await installation.stop();
  const name = 'refused: no such account, beside a wrong password, p50';
  return {
    figures: [{ suite: 'login', backend, name, unit: 'ms', ours: unknown, peer: known, aim: { atLeastOfPeer: 0.95 } }],
    costs: [],
  };
}
