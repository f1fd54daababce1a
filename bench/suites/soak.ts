import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { api, expectStatus, registerUser, uploadAgent, waitForTask } from '../../test/support/client.js';
import { wat } from '../../test/support/wat.js';
import type { Bench, Report } from '../bench.js';
import { EventSocket } from '../support/event-socket.js';
import { ANSWERS_EMPTY_OBJECT, startInstallation } from '../support/installation.js';
import type { Backend } from '../support/services.js';
import { median } from '../support/statistics.js';

/** Rounds that go on at the same time. */
const CHURNERS = 2;
const TASKS_PER_ROUND = 5;
const SOCKETS_PER_ROUND = 3;
const SAMPLE_MS = 30_000;
const MB = 1024 * 1024;
/** The first of them are the level that the last ones are compared with. */
const FIRST_MS = 60_000;
const MOST_GROWTH = 1.1;

/** Lets everything that clients can make come and go, and watches the heap of the server. */
export async function soak(bench: Bench, backend: Backend): Promise<Report> {
  const installation = await startInstallation(bench, {
    backend,
    processes: ['api,worker'],
    // A collection on a busy machine is no reason to turn clients away.
    env: {
      MAX_EVENT_LOOP_LAG_MS: '600000',
      REGISTRATIONS_PER_ADDRESS: '1000000',
      REGISTRATIONS_PER_NETWORK: '1000000',
    },
  });
  const { url } = installation;
  const wasm = await wat(ANSWERS_EMPTY_OBJECT);
  let rounds = 0;
  let isOver = false;
  const churn = async (): Promise<void> => {
    while (!isOver) {
      await round(url, wasm);
      rounds += 1;
    }
  };
  const begun = performance.now();
  const end = begun + bench.scale.soakMs;
  const churners = Promise.all(Array.from({ length: CHURNERS }, churn));
  const samples: { at: number; mb: number }[] = [];
  const watch = async (): Promise<void> => {
    while (performance.now() < end) {
      await pause(Math.min(SAMPLE_MS, end - performance.now()));
      if (isOver) return;
      const mb = (await installation.heap()) / MB;
      samples.push({ at: performance.now() - begun, mb });
      console.log(`  after ${Math.round(samples.at(-1)!.at / 1000)} s and ${rounds} rounds: ${mb.toFixed(1)} MB`);
    }
  };
  try {
    await Promise.race([watch(), churners]);
  } finally {
    isOver = true;
  }
  await churners;
  await installation.stop();
  const later = samples.filter(({ at }) => at >= FIRST_MS);
  const first = median(later.slice(0, 2).map(({ mb }) => mb));
  const last = median(later.slice(-2).map(({ mb }) => mb));
  const about = { suite: 'soak', backend } as const;
  return {
    figures: [
      { ...about, name: 'rounds of coming and going', unit: 'rounds', ours: [rounds] },
      {
        ...about,
        name: 'heap after a collection, at the end; the peer: after the first minute',
        unit: 'MB',
        ours: [last],
        peer: [first],
        aim: { atMostOfPeer: MOST_GROWTH },
      },
    ],
    costs: [],
  };
}

/** An account with all that it can make; it deletes itself at the end. */
async function round(url: string, wasm: Uint8Array): Promise<void> {
  const { token, password } = await registerUser(url);
  const client = api(url);
  const word = `word-${randomBytes(6).toString('hex')}`;
  const key = expectStatus(
    await client.post('/auth/api-keys', { name: word, scopes: ['tasks:read'] }, { token }),
    201,
  ).body;
  expectStatus(await client.get('/tasks', { headers: { 'x-api-key': key.key as string } }), 200);
  const sockets = await Promise.all(
    Array.from({ length: SOCKETS_PER_ROUND }, () =>
      EventSocket.open(
        url,
        token,
        '127.0.0.1',
        () => {},
        () => {},
      ),
    ),
  );
  const form = { capabilities: [word, `${word}-too`], price: '0.1' };
  expectStatus(await uploadAgent(url, token, word, wasm, form), 201);
  const task = { required_capabilities: [word], budget: 1, input: { word } };
  for (let count = 0; count < TASKS_PER_ROUND; count++) {
    const { id } = expectStatus(await client.post('/tasks', task, { token }), 202).body;
    await waitForTask(url, token, id as string, 'completed', 60_000);
  }
  for (const socket of sockets) socket.close();
  expectStatus(await client.delete(`/agents/${word}`, { token }), 204);
  expectStatus(await client.delete(`/auth/api-keys/${key.id}`, { token }), 204);
  expectStatus(await client.post('/auth/delete-account', { password }, { token }), 204);
}
