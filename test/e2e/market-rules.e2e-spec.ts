import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { api, expectStatus, registerUser, waitForTask } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { good, publish, submit } from './agents.js';

describe('the rules of the market', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let url: string;
  let token: string;
  let owners: string[];

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({ env: { DATABASE_URL: database.url, SIGNUP_CREDITS: '1000' } });
    url = server.url;
    [token, ...owners] = (await Promise.all([1, 2, 3].map(() => registerUser(url)))).map((user) => user.token);
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  const offer = (owner: number, slug: string, wasm: Uint8Array, price: string, capability: string): Promise<string> =>
    publish(url, owners[owner], slug, wasm, { capabilities: [capability], price });

  const run = async (capability: string, fields?: object, status = 'completed') =>
    waitForTask(url, token, await submit(url, token, capability, fields), status);

  const boardOf = async (taskId: string) =>
    expectStatus(await api(url).get(`/tasks/${taskId}/auction?verify=true`, { token }), 200).body.rounds[0];

  it('give one owner two seats where another owner bids, and name the reason', async () => {
    const clones: string[] = [];
    for (const slug of ['a', 'b', 'c', 'd'])
      clones.push(await offer(0, `clone-${slug}`, await good(), '0.10', 'seats'));
    const alone = await boardOf((await run('seats')).id);
    expect(alone.bids).toHaveLength(4);
    const rival = await offer(1, 'rival', await good(), '0.90', 'seats');
    const { bids, excluded } = await boardOf((await run('seats')).id);
    const ids = bids.map(({ agent_id }: { agent_id: string }) => agent_id);
    expect(ids).toHaveLength(3);
    expect(ids).toContain(rival);
    expect(excluded.map((one: { reason: string }) => one.reason)).toEqual(['owner_seats', 'owner_seats']);
    expect(clones).toEqual(expect.arrayContaining(excluded.map((one: { agent_id: string }) => one.agent_id)));
  });
});
