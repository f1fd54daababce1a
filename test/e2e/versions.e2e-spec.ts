import { createHash } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { api, expectStatus, registerUser, waitForTask, type TestUser } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';
import { agent, endless, FOREVER, publish, submit } from './agents.js';
import { faultOf, read } from './problems.js';
import { ask, contentOf } from './rows.js';

describe('the versions of an agent', () => {
  let database: TestDatabase;
  let dataDir: string;
  let server: ServerProcess;
  let user: TestUser;

  beforeAll(async () => {
    database = await createTestDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'zerostate-versions-'));
    await chmod(dataDir, 0o711);
    const env = { DATABASE_URL: database.url, DATA_DIR: dataDir, CLEANUP_INTERVAL_MS: '100' };
    server = await startServer({ env });
    user = await registerUser(server.url);
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('are listed in shorter pages where their reports are large', async () => {
    const id = await publish(server.url, user.token, 'verbose', await saying('much'));
    for (const version of ['1.0.1', '1.0.2', '1.0.3', '1.0.4']) {
      await upload('POST', id, await saying('more'), 201, { version });
    }
    const grow = `UPDATE agent_binaries SET validation = json_build_object('padding', repeat('x', $3)) WHERE agent_id = $1 AND version = ANY ($2)`;
    await ask(database.url, grow, [id, ['1.0.4', '1.0.3', '1.0.2'], 400_000]);
    await ask(database.url, grow, [id, ['1.0.1'], 2_000_000]);
    const pages: string[][] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query: string = cursor && `&cursor=${cursor}`;
      const page = expectStatus(await get(`/agents/${id}/versions?limit=100${query}`), 200).body;
      pages.push(page.items.map(({ version }: { version: string }) => version));
      cursor = page.next_cursor;
    }
    expect(pages).toEqual([['1.0.4', '1.0.3'], ['1.0.2'], ['1.0.1'], ['1.0.0']]);
  });

  it('go with their agent, which is retired once, however often at a time', async () => {
    const id = await publish(server.url, user.token, 'leaving', await saying('bye'));
    const holder = new pg.Client(database.url);
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM agents WHERE id = $1 FOR UPDATE', [id]);
    const asked = Array.from({ length: 2 }, () => api(server.url).delete(`/agents/${id}`, user));
    const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await until('both wait for the agent', async () => (await ask(database.url, waiting)).length === 2);
    await holder.query('COMMIT');
    await holder.end();
    expect((await Promise.all(asked)).map(({ status }) => status).sort()).toEqual([204, 404]);
    expect(await events(id, 'agent.updated')).toEqual([expect.objectContaining({ status: 'retired' })]);
  });

  describe('uploaded', () => {
    it('bid if they are the highest release, or as the upload says, and the answer and the event say why not', async () => {
      const first = await upload('POST', 'numbered', await saying('beta'), 201, {
        version: '1.0.0-beta.1',
        capabilities: 'numbered',
        price: '0.5',
      });
      const id = first.agent_id as string;
      expect(first).toMatchObject({ active: true, message: expect.stringContaining('1.0.0-beta.1 is active') });
      const put = async (version: string, fields = {}, method: 'POST' | 'PUT' = 'POST') =>
        upload(method, id, await saying(version), 201, { version, ...fields });
      expect(await put('1.0.0')).toMatchObject({ active: true });
      expect(await put('0.9.0')).toMatchObject({
        active: false,
        message: expect.stringMatching(/version 1\.0\.0 stays active: there is a higher version\. .*activate=true/),
      });
      expect(await put('2.0.0-beta.1')).toMatchObject({
        active: false,
        message: expect.stringContaining('pre-release'),
      });
      expect(await put('1.1.0', { activate: 'false' })).toMatchObject({ active: false });
      expect(await statuses(id)).toMatchObject({ '1.0.0': 'active', '1.1.0': 'inactive' });
      expect(await put('0.9.1', { activate: 'true' })).toMatchObject({ active: true });
      const again = await upload('POST', id, await saying('1.1.0'), 200, { version: '1.1.0', activate: 'true' });
      expect(again).toMatchObject({ status: 'unchanged', active: true });
      expect(await put('0.9.2', {}, 'PUT')).toMatchObject({ active: true });
      expect(await events(id, 'agent.version_uploaded')).toMatchObject([
        { version: '1.0.0-beta.1', active: true },
        { version: '1.0.0', active: true },
        { version: '0.9.0', active: false, inactive_because: 'not_highest' },
        { version: '2.0.0-beta.1', active: false, inactive_because: 'prerelease' },
        { version: '1.1.0', active: false, inactive_because: 'not_requested' },
        { version: '0.9.1', active: true },
        { version: '0.9.2', active: true },
      ]);
      expect(await events(id, 'agent.version_activated')).toMatchObject([{ version: '1.1.0' }]);
    });

    it('refuse a choice that makes no sense, and change nothing', async () => {
      await publish(server.url, user.token, 'undecided', await saying('one'));
      const before = await contentOf(database.url);
      const odd = await upload('POST', 'undecided', await saying('two'), 400, { activate: 'maybe' });
      expect(odd.errors).toMatchObject([{ field: 'activate' }]);
      const replaced = await upload('PUT', 'undecided', await saying('two'), 400, { activate: 'false' });
      expect(replaced.errors).toMatchObject([{ field: 'activate', message: expect.stringContaining('use POST') }]);
      expect(await contentOf(database.url)).toEqual(before);
    });
  });

  describe('activated', () => {
    it('back and forth bid at once, each answering as itself', async () => {
      const id = await publish(server.url, user.token, 'rolled', await saying('one'), { capabilities: ['roll'] });
      await upload('POST', id, await saying('two'), 201);
      expect(await answerOf('roll')).toBe('two');

      const back = expectStatus(await post(`/agents/${id}/versions/1.0.0/activate`), 200).body;
      expect(back).toMatchObject({ version: '1.0.0', status: 'active', active: true, retired_at: null });
      expect(await answerOf('roll')).toBe('one');
      expect(await statuses(id)).toEqual({ '1.0.1': 'inactive', '1.0.0': 'active' });

      expectStatus(await post('/agents/rolled/versions/1.0.1/activate'), 200);
      expect(await answerOf('roll')).toBe('two');
      // Once more changes nothing, and is no event.
      expectStatus(await post('/agents/rolled/versions/1.0.1/activate'), 200);
      expect(await events(id, 'agent.version_activated')).toEqual([
        expect.objectContaining({ version: '1.0.0' }),
        expect.objectContaining({ version: '1.0.1' }),
      ]);
    });

    it('leave a running task the version it was awarded with', async () => {
      const id = await publish(server.url, user.token, 'loyal', await saying('old'), { capabilities: ['loyal'] });
      await upload('POST', id, await endless(), 201);
      const task = await submit(server.url, user.token, 'loyal', { timeout_ms: 60_000 });
      await waitForTask(server.url, user.token, task, 'running');
      expectStatus(await post(`/agents/${id}/versions/1.0.0/activate`), 200);
      expect(await answerOf('loyal')).toBe('old');
      expect((await get(`/tasks/${task}`)).body).toMatchObject({ status: 'running', version: '1.0.1' });
      expectStatus(await post(`/tasks/${task}/cancel`), 200);
    });

    it('are versions there are, of agents of one’s own', async () => {
      const id = await publish(server.url, user.token, 'guarded', await saying('mine'));
      const other = await registerUser(server.url);
      const before = await contentOf(database.url);
      for (const version of ['9.9.9', 'nope', '1.0', '%00', '1.0.0%00', `1.0.0-${'a'.repeat(100)}`, '1.0.0%20']) {
        const answer = await post(`/agents/${id}/versions/${version}/activate`);
        expect([version, answer.status]).toEqual([version, version.includes('%00') ? expect.any(Number) : 404]);
        expect(answer.status).toBeLessThan(500);
      }
      const theirs = await api(server.url).post(`/agents/${id}/versions/1.0.0/activate`, undefined, other);
      expect(theirs.status).toBe(404);
      expect({ ...(await contentOf(database.url)), users: '' }).toEqual({ ...before, users: '' });
    });
  });

  describe('replaced by PUT', () => {
    it('stay in the list, behind the new active one', async () => {
      const id = await publish(server.url, user.token, 'put', await saying('first'));
      expect(await upload('PUT', 'put', await saying('second'), 201)).toMatchObject({
        agent_id: id,
        version: '1.0.1',
        status: 'uploaded',
      });
      expect(await statuses(id)).toEqual({ '1.0.1': 'active', '1.0.0': 'inactive' });
    });

    it('by their own bytes stay as they are, however often', async () => {
      const id = await publish(server.url, user.token, 'idem', await saying('same'));
      const before = await contentOf(database.url);
      for (const fields of [{}, { version: '1.0.0' }] as Record<string, string>[]) {
        const answer = await upload('PUT', id, await saying('same'), 200, fields);
        expect(answer).toMatchObject({ status: 'unchanged', version: '1.0.0' });
      }
      expect(await contentOf(database.url)).toEqual(before);
      // POST adds a version whenever the form names none.
      expect(await upload('POST', id, await saying('same'), 201)).toMatchObject({ version: '1.0.1' });
    });

    it('are there: no agent is made, and none gets its first version', async () => {
      expectStatus(await post('/agents', { slug: 'bare', name: 'Bare', capabilities: [], price: 1 }), 201);
      const before = await contentOf(database.url);
      expect(await upload('PUT', 'nobody', await saying('x'), 404)).toMatchObject({ code: 'NOT_FOUND' });
      expect(await upload('PUT', 'bare', await saying('x'), 404)).toMatchObject({ code: 'NO_ACTIVE_VERSION' });
      expect(await contentOf(database.url)).toEqual(before);
    });
  });

  describe('downloaded', () => {
    let binary: Buffer;
    let etag: string;
    let id: string;

    beforeAll(async () => {
      binary = await saying('bytes');
      etag = `"${createHash('sha256').update(binary).digest('hex')}"`;
      id = await publish(server.url, user.token, 'bytes', binary);
      await upload('POST', id, await saying('later'), 201);
    });

    it('come from a signed address that needs no token', async () => {
      const answer = await download('version=1.0.0');
      expect(answer.status).toBe(302);
      expect(answer.headers.get('etag')).toBe(etag);
      const address = new URL(answer.headers.get('location')!, server.url);
      const fetched = await fetch(address);
      expect(fetched.status).toBe(200);
      expect(fetched.headers.get('content-type')).toBe('application/wasm');
      expect(fetched.headers.get('content-disposition')).toContain('bytes-1.0.0.wasm');
      expect(Buffer.from(await fetched.arrayBuffer()).equals(binary)).toBe(true);
    });

    it('come as they were uploaded, with their hash as strong ETag', async () => {
      const answer = await download('redirect=false&version=1.0.0');
      expect(answer.status).toBe(200);
      expect(Object.fromEntries(answer.headers)).toMatchObject({
        etag,
        'content-type': 'application/wasm',
        'content-length': String(binary.length),
        'accept-ranges': 'bytes',
        'content-disposition': 'attachment; filename="bytes-1.0.0.wasm"',
      });
      expect(Buffer.from(await answer.arrayBuffer()).equals(binary)).toBe(true);
    });

    it('need not come to who has them', async () => {
      for (const query of ['version=1.0.0', 'version=1.0.0&redirect=false']) {
        for (const known of [etag, `"other", ${etag}`, `W/${etag}`, '*']) {
          const answer = await download(query, { 'if-none-match': known });
          expect([known, answer.status, await answer.text()]).toEqual([known, 304, '']);
          expect(answer.headers.get('etag')).toBe(etag);
        }
      }
      // The active version has other bytes.
      expect((await download('redirect=false', { 'if-none-match': etag })).status).toBe(200);
    });

    it('come in ranges', async () => {
      const size = binary.length;
      const ranges: [string, number, number][] = [
        ['bytes=0-0', 0, 0],
        ['bytes=10-19', 10, 19],
        ['bytes=10-', 10, size - 1],
        ['bytes=-5', size - 5, size - 1],
        ['bytes=-999999999', 0, size - 1],
        ['Bytes=4-7', 4, 7],
        ['bytes=0-999999999', 0, size - 1],
        ['bytes=0-3,4-7', 0, 7],
      ];
      for (const [range, start, end] of ranges) {
        const answer = await download('redirect=false&version=1.0.0', { range });
        expect([range, answer.status]).toEqual([range, 206]);
        expect(answer.headers.get('content-range')).toBe(`bytes ${start}-${end}/${size}`);
        expect(answer.headers.get('content-length')).toBe(String(end - start + 1));
        expect(Buffer.from(await answer.arrayBuffer()).equals(binary.subarray(start, end + 1))).toBe(true);
      }
    });

    it('come whole where a range cannot be meant', async () => {
      const whole: Record<string, string>[] = [
        { range: 'bytes=0-1,5-6' },
        { range: 'lines=1-2' },
        { range: 'lines=999999999-' },
        { range: 'bytes=x' },
        { range: 'bytes=7-4' },
        { range: 'bytes=0-3', 'if-range': '"other"' },
        { range: 'bytes=0-3', 'if-range': `W/${etag}` },
        { range: 'bytes=0-3', 'if-range': 'Tue, 24 Nov 2026 00:00:00 GMT' },
      ];
      for (const headers of whole) {
        const answer = await download('redirect=false&version=1.0.0', headers);
        expect([headers, answer.status]).toEqual([headers, 200]);
        expect((await answer.arrayBuffer()).byteLength).toBe(binary.length);
      }
      const current = await download('redirect=false&version=1.0.0', { range: 'bytes=0-3', 'if-range': etag });
      expect([current.status, await current.text()]).toEqual([206, '\0asm']);
    });

    it('end where they end', async () => {
      for (const range of [`bytes=${binary.length}-`, 'bytes=999999999-', 'bytes=-0']) {
        const answer = await read(await download('redirect=false&version=1.0.0', { range }));
        expect([range, faultOf(answer, [416])]).toEqual([range, undefined]);
        expect(answer.headers.get('content-range')).toBe(`bytes */${binary.length}`);
        expect(JSON.parse(answer.text).code).toBe('RANGE_NOT_SATISFIABLE');
      }
    });

    it('break off where the store ends too early, and are no client’s fault where it cannot be read', async () => {
      const damaged = Buffer.concat([binary, Buffer.from([0, 2, 1, 0x78])]);
      await upload('POST', id, damaged, 201, { version: '0.0.1' });
      const sha256 = createHash('sha256').update(damaged).digest('hex');
      const path = join(dataDir, 'blobs', 'sha256', sha256.slice(0, 2), sha256);
      await truncate(path, 10);
      const short = await download('redirect=false&version=0.0.1');
      await expect(short.arrayBuffer()).rejects.toThrow();
      await rm(path);
      await mkdir(path);
      const unreadable = await read(await download('redirect=false&version=0.0.1'));
      expect(faultOf(unreadable, [500])).toBeUndefined();
    });

    it('are described to HEAD, without a redirect', async () => {
      for (const query of ['version=1.0.0', 'version=1.0.0&redirect=false']) {
        const answer = await download(query, {}, 'HEAD');
        expect(answer.status).toBe(200);
        expect(Object.fromEntries(answer.headers)).toMatchObject({
          etag,
          'content-type': 'application/wasm',
          'content-length': String(binary.length),
        });
      }
    });

    it('are nobody else’s', async () => {
      const other = await registerUser(server.url);
      const headers = { authorization: `Bearer ${other.token}` };
      for (const query of ['', '?redirect=false']) {
        const answer = await fetch(`${server.url}/api/v1/agents/${id}/binary${query}`, { headers, redirect: 'manual' });
        expect(answer.status).toBe(404);
      }
    });
  });

  describe('retired', () => {
    it('one by one keep their numbers and their place in the list', async () => {
      const id = await publish(server.url, user.token, 'aged', await saying('aged 1'));
      await upload('POST', id, await saying('aged 2'), 201);
      expect(expectStatus(await del(`/agents/${id}/binary?version=1.0.0`), 200).body).toMatchObject({
        agent_id: id,
        retired: ['1.0.0'],
        active_version: '1.0.1',
      });
      expect(await statuses(id)).toEqual({ '1.0.1': 'active', '1.0.0': 'retired' });
      expect(expectStatus(await del(`/agents/${id}/binary?version=1.0.0`), 200).body.retired).toEqual([]);
      expect((await del(`/agents/${id}/binary?version=3.0.0`)).status).toBe(404);

      for (const bytes of [await saying('aged 1'), await saying('other')]) {
        expect(await upload('POST', id, bytes, 409, { version: '1.0.0' })).toMatchObject({ code: 'VERSION_RETIRED' });
      }
      expect((await post(`/agents/${id}/versions/1.0.0/activate`)).body).toMatchObject({ code: 'VERSION_RETIRED' });
      expect((await get(`/agents/${id}/binary?redirect=false&version=1.0.0`)).body.code).toBe('VERSION_RETIRED');
      expect((await get(`/agents/${id}/versions?limit=1`)).body).toMatchObject({
        items: [{ version: '1.0.1' }],
        next_cursor: expect.any(String),
      });
    });

    it('while active leave the agent without one, until another is activated or uploaded', async () => {
      const id = await publish(server.url, user.token, 'idle', await saying('idle 1'), { capabilities: ['idle'] });
      await upload('POST', id, await saying('idle 2'), 201);
      const { body } = expectStatus(await del(`/agents/${id}/binary?version=1.0.1`), 200);
      expect(body).toMatchObject({ retired: ['1.0.1'], active_version: null });
      expect(body.message).toMatch(/does not bid/);
      expect((await get(`/agents/${id}`)).body.version).toBeNull();
      expect((await get(`/agents/${id}/binary`)).body.code).toBe('NO_ACTIVE_VERSION');
      const task = await submit(server.url, user.token, 'idle');
      await waitForTask(server.url, user.token, task, 'failed');

      expectStatus(await post(`/agents/${id}/versions/1.0.0/activate`), 200);
      expect(await answerOf('idle')).toBe('idle 1');
      expect(expectStatus(await del(`/agents/${id}/binary`), 200).body.retired).toEqual(['1.0.0']);
      expect(await upload('POST', id, await saying('idle 3'), 201)).toMatchObject({ version: '1.0.2' });
      expect(await answerOf('idle')).toBe('idle 3');
      expect(await events(id, 'agent.version_retired')).toEqual([
        expect.objectContaining({ versions: ['1.0.1'], active_version: null }),
        expect.objectContaining({ versions: ['1.0.0'], active_version: null }),
      ]);
    });

    it('while a task runs them lose their bytes after the task, and only then', async () => {
      const runs = await agent(`(nop) ${FOREVER}`);
      const id = await publish(server.url, user.token, 'busy', runs, { capabilities: ['busy'] });
      const task = await submit(server.url, user.token, 'busy', { timeout_ms: 120_000 });
      await waitForTask(server.url, user.token, task, 'running');
      expectStatus(await del(`/agents/${id}/binary`), 200);
      await age();
      // Something else that is due shows that a cleanup has come by.
      const witness = await saying('witness');
      await publish(server.url, user.token, 'witness', witness);
      expectStatus(await del('/agents/witness/binary'), 200);
      await age();
      await until('the other retired version is gone', async () => !(await isKept(witness)));
      expect(await isKept(runs)).toBe(true);

      expectStatus(await post(`/tasks/${task}/cancel`), 200);
      await until('its bytes are gone', async () => !(await isKept(runs)));
      expect(await statuses(id)).toEqual({ '1.0.0': 'retired' });
      expect(server.stdout()).toMatch(/removed the bytes of/);
    });

    it('share their bytes with those that are not', async () => {
      const bytes = await saying('shared');
      await publish(server.url, user.token, 'share-a', bytes, { capabilities: ['share-a'] });
      await publish(server.url, user.token, 'share-b', bytes, { capabilities: ['share-b'] });
      expect((await filesNamed(bytes)).length).toBe(1);
      expectStatus(await del('/agents/share-a'), 204);
      const witness = await saying('another witness');
      await publish(server.url, user.token, 'witness-2', witness);
      expectStatus(await del('/agents/witness-2'), 204);
      await age();
      await until('the other agent’s bytes are gone', async () => !(await isKept(witness)));
      expect(await isKept(bytes)).toBe(true);
      expect(await answerOf('share-b')).toBe('shared');
    });

    it('and cleaned up can be uploaded again under another number', async () => {
      const bytes = await saying('phoenix');
      const id = await publish(server.url, user.token, 'phoenix', bytes, { capabilities: ['phoenix'] });
      expectStatus(await del(`/agents/${id}/binary`), 200);
      await age();
      await until('its bytes are gone', async () => !(await isKept(bytes)));
      await upload('POST', id, bytes, 201);
      expect(await isKept(bytes)).toBe(true);
      expect(await answerOf('phoenix')).toBe('phoenix');
    });
  });

  const get = (path: string) => api(server.url).get(path, { token: user.token });
  const post = (path: string, body?: object) => api(server.url).post(path, body, { token: user.token });
  const del = (path: string) => api(server.url).delete(path, { token: user.token });

  const download = (query: string, headers: Record<string, string> = {}, method = 'GET') =>
    fetch(`${server.url}/api/v1/agents/bytes/binary?${query}`, {
      method,
      headers: { authorization: `Bearer ${user.token}`, ...headers },
      redirect: 'manual',
    });

  async function upload(
    method: 'POST' | 'PUT',
    target: string,
    wasm: Buffer,
    status: number,
    fields: Record<string, string> = {},
  ) {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set('wasm_binary', new Blob([Uint8Array.from(wasm)]), 'agent.wasm');
    const call = method === 'POST' ? api(server.url).post : api(server.url).put;
    return expectStatus(await call(`/agents/${target}/binary`, form, { token: user.token }), status).body;
  }

  async function answerOf(capability: string): Promise<unknown> {
    const task = await submit(server.url, user.token, capability);
    return (await waitForTask(server.url, user.token, task, 'completed')).result;
  }

  async function statuses(agentId: string): Promise<Record<string, string>> {
    const { items } = expectStatus(await get(`/agents/${agentId}/versions`), 200).body;
    return Object.fromEntries(items.map((item: any) => [item.version, item.status]));
  }

  const events = async (agentId: string, type: string): Promise<unknown[]> =>
    (
      await ask<{ data: unknown }>(
        database.url,
        `SELECT data FROM task_events WHERE type = $1 AND data->>'agent_id' = $2 ORDER BY seq`,
        [type, agentId],
      )
    ).map(({ data }) => data);

  /** As if all of it had happened hours ago. */
  async function age(): Promise<void> {
    for (const statement of [
      `UPDATE blobs SET stored_at = stored_at - interval '1 day'`,
      `UPDATE agent_binaries SET retired_at = retired_at - interval '1 day' WHERE retired_at IS NOT NULL`,
      `UPDATE agents SET updated_at = updated_at - interval '1 day'`,
    ]) {
      await ask(database.url, statement);
    }
  }

  async function filesNamed(bytes: Buffer): Promise<string[]> {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return (await readdir(join(dataDir, 'blobs'), { recursive: true })).filter((name) => name.endsWith(sha256));
  }

  const isKept = async (bytes: Buffer): Promise<boolean> => (await filesNamed(bytes)).length > 0;
});

/** An agent that answers these words. */
const saying = (words: string): Promise<Buffer> =>
  agent(
    `(call $write (i32.const 1) (i32.const 1024) (i32.const ${words.length + 2}))`,
    String.raw`(data (i32.const 1024) "\"${words}\"")`,
  );
