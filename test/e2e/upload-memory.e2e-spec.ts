import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { registerUser, type TestUser } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { LargeAgents } from '../support/large-agents.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { field, file, multipart } from './multipart.js';

const MB = 1024 * 1024;
const AT_ONCE = 10;
const MAX_GROWTH_MB = 150;

describe('large uploads', () => {
  let database: TestDatabase;
  let dataDir: string;
  let server: ServerProcess;
  let user: TestUser;

  beforeAll(async () => {
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-memory-'));
    await chmod(dataDir, 0o711);
    server = await startServer({
      roles: ['api'],
      env: { DATABASE_URL: database.url, DATA_DIR: dataDir, VALIDATION_TIMEOUT_MS: '60000' },
    });
    user = await registerUser(server.url);
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it(`of 50 MB, ${AT_ONCE} at once, raise the memory of the API by at most ${MAX_GROWTH_MB} MB`, async () => {
    const agents = await LargeAgents.create();
    const largest = agents.ofSize(50 * MB - 4096);
    expect(largest.length).toBeGreaterThan(49 * MB);
    const form = [field('name', 'Large'), field('capabilities', 'c'), field('price', '1')];
    const large = multipart([...form, file(largest)]);
    const small = multipart([...form, file(agents.ofSize(10_000))]);

    expect(await upload('warm', small)).toBe(201);
    await writeFile(`/proc/${server.pid}/clear_refs`, '5'); // the peak begins anew
    const before = await peakMb();
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => upload(`large-${index}`, large)));
    expect(answers).toEqual(answers.map(() => 201));
    const after = await peakMb();
    expect(after - before).toBeLessThan(MAX_GROWTH_MB);
    // The same bytes are kept once, and nothing besides.
    const kept = await readdir(join(dataDir, 'blobs'), { recursive: true, withFileTypes: true });
    expect(kept.filter((entry) => entry.isFile()).length).toBe(2);
  });

  it(`as inputs of tasks raise it by no more`, async () => {
    const row = JSON.stringify({ text: 'x'.repeat(1000), numbers: [1, 2.5, -3e4] });
    const body = Buffer.from(
      `[${Array.from({ length: Math.floor((50 * MB) / (row.length + 1)) - 1 }, () => row).join()}]`,
    );
    const contentType = 'application/json';
    expect(await post('/tasks/inputs', { body: Buffer.from('{}'), contentType })).toBe(201);
    await writeFile(`/proc/${server.pid}/clear_refs`, '5');
    const before = await peakMb();
    const inputs = Array.from({ length: AT_ONCE }, () => post('/tasks/inputs', { body, contentType }));
    expect(await Promise.all(inputs)).toEqual(inputs.map(() => 201));
    expect((await peakMb()) - before).toBeLessThan(MAX_GROWTH_MB);
  });

  async function peakMb(): Promise<number> {
    const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) / 1024;
  }

  const upload = (slug: string, form: ReturnType<typeof multipart>): Promise<number> =>
    post(`/agents/${slug}/binary`, form);

  /** @returns the status of the answer */
  function post(path: string, { body, contentType }: ReturnType<typeof multipart>): Promise<number> {
    return new Promise((resolve, reject) => {
      const outgoing = request(`${server.url}/api/v1${path}`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${user.token}`,
          'content-type': contentType,
          'content-length': body.length,
        },
      });
      outgoing.on('error', reject);
      outgoing.on('response', (answer) => void text(answer).then(() => resolve(answer.statusCode!), reject));
      outgoing.end(body);
    });
  }
});
