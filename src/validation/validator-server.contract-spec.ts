import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parseEnvironment } from '../config/index.js';
import { moduleLimits } from './module-limits.js';
import { ORDER_HEADER } from './validator-exchange.js';
import { ValidatorServer } from './validator-server.js';
import { WasmValidator } from './wasm-validator.js';

const SECRET = 'a secret of sixteen';
const HEADER = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
/** One function of no parameters, exported as `_start`, and a memory. */
const AGENT = Buffer.concat([
  HEADER,
  Buffer.from([1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1]),
  Buffer.from([7, 19, 2, 6, ...Buffer.from('memory'), 2, 0, 6, ...Buffer.from('_start'), 0, 0]),
  Buffer.from([10, 4, 1, 2, 0, 0x0b]),
]);

describe('a validator process', () => {
  let folder: string;
  let validator: ValidatorServer;
  let url: string;
  let client: WasmValidator;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'validator-server-'));
    const { validation, storage } = environment('tcp://127.0.0.1:0');
    validator = new ValidatorServer(validation, { ...storage, maxBinaryBytes: 1000 });
    await validator.onModuleInit();
    url = await validator.listen();
    client = await api(url);
  });

  afterAll(async () => {
    await validator.onApplicationShutdown();
    await rm(folder, { recursive: true });
  });

  const validate = async (bytes: Uint8Array, by = client) => {
    const path = join(folder, 'module.wasm');
    await writeFile(path, bytes);
    return by.validate({ path, size: bytes.length, sha256: 'its hash' }, 'an owner');
  };

  it('answers an API process the report that its own child processes would give', async () => {
    const alone = new WasmValidator(parseEnvironment({}).validation);
    await alone.onModuleInit();
    try {
      for (const bytes of [AGENT, AGENT.subarray(0, 30), HEADER, Buffer.alloc(0)]) {
        expect(await validate(bytes)).toEqual(await validate(bytes, alone));
      }
      expect(await validate(AGENT)).toMatchObject({ is_valid: true, exported_functions: ['_start'] });
    } finally {
      await alone.onApplicationShutdown();
    }
  });

  it('says that it is there', async () => {
    await client.ping();
  });

  it.each([
    ['with another secret', 'another secret of sixteen', 'it refuses the VALIDATOR_SECRET of this process'],
    ['without one', undefined, 'it refuses the VALIDATOR_SECRET of this process'],
  ])('does nothing for a process %s', async (_, secret, reason) => {
    const stranger = new WasmValidator({ ...environment(url).validation, validator: { url, secret } });
    await stranger.onModuleInit();
    await expect(stranger.ping()).rejects.toThrow(reason);
    await expect(validate(AGENT, stranger)).rejects.toMatchObject({
      kind: 'unavailable',
      code: 'VALIDATOR_UNAVAILABLE',
      retryAfter: 60,
    });
  });

  it('reads no more than a binary may have', async () => {
    await expect(validate(Buffer.alloc(1001))).rejects.toMatchObject({ code: 'VALIDATOR_UNAVAILABLE' });
  });

  it.each([
    ['no owner', { limits: moduleLimits(parseEnvironment({}).validation) }],
    ['no limits', { owner: 'an owner', limits: {} }],
    ['what is no JSON', undefined],
  ])('refuses an order with %s', async (_, order) => {
    const { status } = await fetch(`${url.replace('tcp', 'http')}/check`, {
      method: 'POST',
      headers: { authorization: `Bearer ${SECRET}`, [ORDER_HEADER]: order ? JSON.stringify(order) : '{' },
      body: AGENT,
    });
    expect(status).toBe(400);
  });

  it('is away when nothing listens there, and the binary is not blamed', async () => {
    const away = await api(`unix://${join(folder, 'nothing')}`);
    await expect(validate(AGENT, away)).rejects.toMatchObject({ kind: 'unavailable', code: 'VALIDATOR_UNAVAILABLE' });
    await expect(away.ping()).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.each<[string, RequestListener, unknown]>([
    ['hangs up', (request) => request.socket.destroy(), 'VALIDATOR_UNAVAILABLE'],
    ['answers something else', (_, response) => response.end('"yes"'), 'VALIDATOR_UNAVAILABLE'],
  ])('counts as away when it %s', async (_, listener, code) => {
    const fake = createServer(listener);
    const path = join(folder, 'fake');
    await new Promise<void>((resolve) => fake.listen(path, resolve));
    await expect(validate(AGENT, await api(`unix://${path}`))).rejects.toMatchObject({ code });
    await new Promise((resolve) => fake.close(resolve));
  });

  it('is not believed when it describes another file', async () => {
    const report = await answerOf(AGENT);
    const fake = createServer((request, response) => request.resume().once('end', () => response.end(report)));
    const path = join(folder, 'liar');
    await new Promise<void>((resolve) => fake.listen(path, resolve));
    const liar = await api(`unix://${path}`);
    expect(await validate(AGENT, liar)).toMatchObject({ is_valid: true });
    const other = Buffer.concat([AGENT, Buffer.from([0, 2, 1, 0x78])]);
    expect(await validate(other, liar)).toMatchObject({ is_valid: false, error: { code: 'VALIDATION_CRASHED' } });
    await new Promise((resolve) => fake.close(resolve));
  });

  /** What the validator answers, as text. */
  async function answerOf(bytes: Uint8Array): Promise<string> {
    const order = { owner: 'an owner', limits: moduleLimits(parseEnvironment({}).validation) };
    const headers = { authorization: `Bearer ${SECRET}`, [ORDER_HEADER]: JSON.stringify(order) };
    const answer = await fetch(`${url.replace('tcp', 'http')}/check`, { method: 'POST', headers, body: bytes });
    expect(answer.status).toBe(200);
    return answer.text();
  }
});

const environment = (url: string) => parseEnvironment({ VALIDATOR_URL: url, VALIDATOR_SECRET: SECRET });

async function api(url: string): Promise<WasmValidator> {
  const client = new WasmValidator(environment(url).validation);
  await client.onModuleInit();
  return client;
}
