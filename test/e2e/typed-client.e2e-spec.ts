import { execFile } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Below the repository, so that the client finds its packages. */
const FOLDER = `${ROOT}dist-test/typed-client/`;
const run = promisify(execFile);

/** What a developer would write with the types of the document: they know paths, bodies and answers. */
const FLOW = `
import createClient from 'openapi-fetch';
import type { paths } from './schema.js';

const client = createClient<paths>({ baseUrl: process.argv[2] });
const credentials = { email: 'typed@example.test', password: 'a password for tests' };
const account = await client.POST('/api/v1/auth/register', { body: credentials });
const login = await client.POST('/api/v1/auth/login', { body: credentials });
if (account.error || !login.data) throw new Error('no login');
client.use({
  onRequest({ request }) {
    request.headers.set('authorization', 'Bearer ' + login.data.access_token);
  },
});

// @ts-expect-error a task has a budget
await client.POST('/api/v1/tasks', { body: { required_capabilities: ['summarise'], input: {} } });
// @ts-expect-error there is no such route
void (() => client.GET('/api/v1/no/such/route'));

const submitted = await client.POST('/api/v1/tasks', {
  params: { header: { Prefer: 'wait=20' } },
  body: { required_capabilities: ['word-count'], budget: 5, input: { text: 'to be or not to be' } },
});
if (!submitted.data) throw new Error(JSON.stringify(submitted.error));
const path = { id: submitted.data.id };
const task = await client.GET('/api/v1/tasks/{id}', { params: { path } });
const auction = await client.GET('/api/v1/tasks/{id}/auction', { params: { path } });
const rated = await client.POST('/api/v1/tasks/{id}/rating', { params: { path }, body: { rating: 5 } });
const missing = await client.GET('/api/v1/tasks/{id}', { params: { path: { id: crypto.randomUUID() } } });
const code: string | undefined = missing.error?.code;
const status: 'queued' | 'assigned' | 'running' | 'input_required' | 'completed' | 'failed' | 'cancelled' | undefined =
  task.data?.status;
console.log(JSON.stringify({ status, bids: auction.data?.rounds[0].bids.length, rating: rated.data?.rating, code }));
`;

describe('a client generated from the OpenAPI document', () => {
  let database: TestDatabase;
  let server: ServerProcess;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({ env: { DATABASE_URL: database.url, EXAMPLE_AGENTS: 'compiled' } });
    await mkdir(FOLDER, { recursive: true });
  });

  afterAll(async () => {
    await rm(FOLDER, { recursive: true, force: true });
    await server?.stop();
    await database?.drop();
  });

  it('compiles strictly, refuses what the API refuses, and takes a task from the login to the rating', async () => {
    const bin = `${ROOT}node_modules/.bin/`;
    await run(`${bin}openapi-typescript`, [`${server.url}/docs-json`, '-o', `${FOLDER}schema.d.ts`]);
    await writeFile(`${FOLDER}flow.ts`, FLOW);
    const options = ['--strict', '--target', 'es2023', '--module', 'nodenext', '--types', 'node', '--skipLibCheck'];
    const compiled = await run(`${bin}tsc`, ['--ignoreConfig', ...options, `${FOLDER}flow.ts`]).catch((error) => error);
    expect(compiled.stdout).toBe('');
    const { stdout } = await run(process.execPath, [`${FOLDER}flow.js`, server.url]);
    expect(JSON.parse(stdout)).toEqual({ status: 'completed', bids: 1, rating: 5, code: 'NOT_FOUND' });
  }, 120_000);
});
