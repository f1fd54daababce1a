import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { io } from 'socket.io-client';
import { parseEnvironment } from '../../src/config/environment.js';
import { freePort } from '../../src/database/embedded/free-port.js';
import { MAX_WAIT_S } from '../../src/task-api/submission-headers.js';
import { endless, good, publish, submit } from '../e2e/agents.js';
import { FeedSocket } from '../e2e/feed-client.js';
import { padded } from '../e2e/padding.js';
import { ensureInstalled } from '../support/apt.js';
import { api, expectStatus, registerUser, type TestUser } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { type ServerProcess, startServer } from '../support/server.js';
import { until } from '../support/until.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const NGINX = '/usr/sbin/nginx';
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

describe('nginx with the configuration in deploy/nginx', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let folder: string;
  let nginx: ChildProcess;
  /** Through nginx: at its root, and under a prefix as docs/deployment.md shows it. */
  let url: string;
  let prefixed: string;
  let user: TestUser;
  let site: string;
  let proxy: string;

  beforeAll(async () => {
    ensureInstalled('nginx', () => existsSync(NGINX), '--no-install-recommends');
    database = await createTestDatabase();
    server = await startServer({ env: { DATABASE_URL: database.url, TRUST_PROXY: '1' } });
    folder = await mkdtemp(join(tmpdir(), 'zerostate-nginx-'));
    site = await readFile(`${ROOT}deploy/nginx/zerostate.conf`, 'utf8');
    proxy = await readFile(`${ROOT}deploy/nginx/zerostate-proxy.conf`, 'utf8');
    const guide = await readFile(`${ROOT}docs/deployment.md`, 'utf8');
    const [prefix] = /^location \/market\/ \{\n[^}]+\}\n/m.exec(guide)!;
    const port = await freePort();
    const own = site
      .replace('127.0.0.1:8080', new URL(server.url).host)
      .replace('listen 80;', `listen 127.0.0.1:${port};`)
      .replace('    location / {', `${prefix}\n    location / {`)
      .replaceAll('/etc/nginx/', `${folder}/`);
    await writeFile(join(folder, 'site.conf'), own);
    await writeFile(join(folder, 'zerostate-proxy.conf'), proxy);
    const asRoot = process.getuid?.() === 0 ? 'user root;' : '';
    const paths = TEMPORARY.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ');
    await writeFile(
      join(folder, 'nginx.conf'),
      `${asRoot} daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log; events {}
       http { access_log off; ${paths} include ${folder}/site.conf; }`,
    );
    nginx = spawn(NGINX, ['-p', folder, '-e', `${folder}/error.log`, '-c', join(folder, 'nginx.conf')]);
    let said = '';
    nginx.stderr!.on('data', (text: Buffer) => (said += text));
    url = `http://127.0.0.1:${port}`;
    prefixed = `${url}/market`;
    await until('nginx serves', () => {
      if (nginx.exitCode !== null) throw new Error(`nginx ended: ${said}`);
      return fetch(`${url}/health/live`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
    user = await registerUser(url);
  });

  afterAll(async () => {
    nginx?.kill();
    if (nginx && nginx.exitCode === null) await once(nginx, 'exit');
    await server?.stop();
    await database?.drop();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it('passes on an upload that is larger than what nginx takes by default', async () => {
    await publish(url, user.token, 'large', padded(await good(), 1_900_000), { capabilities: ['large'] });
    const limits = parseEnvironment({}).storage;
    const [, megabytes] = /client_max_body_size (\d+)m;/.exec(proxy)!;
    expect(Number(megabytes) * 2 ** 20).toBeGreaterThan(limits.maxFormBytes);
  });

  it('waits for a task as long as the server does, which is less than its own limit', async () => {
    const task = { required_capabilities: ['large'], budget: 1, input: {} };
    const headers = { prefer: 'wait=99' };
    const answer = await api(url).post('/tasks', task, { token: user.token, headers });
    expect(expectStatus(answer, 200).headers.get('preference-applied')).toBe(`wait=${MAX_WAIT_S}`);
    const [, seconds] = /proxy_read_timeout (\d+)s;/.exec(proxy)!;
    expect(Number(seconds)).toBeGreaterThan(MAX_WAIT_S);
    const [, idle] = /keepalive_timeout (\d+)s;/.exec(site)!;
    expect(Number(idle) * 1000).toBeLessThan(parseEnvironment({}).protection.idleTimeoutMs);
  });

  it('carries an event stream event by event, and a WebSocket', async () => {
    await publish(url, user.token, 'endless', await endless(), { capabilities: ['forever'] });
    const id = await submit(url, user.token, 'forever', { timeout_ms: 60_000 });
    const headers = { authorization: `Bearer ${user.token}`, accept: 'text/event-stream' };
    const stream = await fetch(`${url}/api/v1/tasks/${id}/events`, { headers });
    const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    while (!text.includes('event: task.running')) text += (await reader.read()).value ?? '';
    await reader.cancel();
    const socket = await FeedSocket.connect(url, { token: user.token });
    await socket.follow('task', id, 0);
    expectStatus(await api(url).post(`/tasks/${id}/cancel`, undefined, { token: user.token }), 200);
    await until('the socket hears of it', () => socket.received.some(({ type }) => type === 'task.cancelled'));
    socket.close();
  });

  it('serves everything under a prefix: pages, redirects and WebSockets', async () => {
    const landing = (await (await fetch(`${prefixed}/`)).json()) as { links: Record<string, string> };
    for (const path of [landing.links.documentation, landing.links.ready])
      expect([path, (await fetch(new URL(path, `${prefixed}/`))).status]).toEqual([path, 200]);
    const { token } = user;
    const download = await api(prefixed).get('/agents/large/binary?redirect=true', { token });
    const location = download.headers.get('location')!;
    expect([download.status, location]).toEqual([
      302,
      expect.stringMatching(/^(http:\/\/[^/]+)?\/market\/api\/v1\/blobs\//),
    ]);
    expect((await fetch(new URL(location, url))).status).toBe(200);
    const auth = { token };
    const socket = io(url, { path: '/market/socket.io/', auth, transports: ['websocket'], reconnection: false });
    await once(socket as unknown as NodeJS.EventEmitter, 'connect');
    socket.close();
  });
});
