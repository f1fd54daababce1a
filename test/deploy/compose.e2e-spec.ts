import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { parseEnvironment } from '../../src/config/environment.js';
import { variables } from '../../src/config/variables.js';
import { allow, assemble, load, NUMBER, refuse, whenEqual } from '../../src/confinement/system-calls/bpf.js';
import { FORBIDDEN } from '../../src/confinement/system-calls/table.js';
import { freePort } from '../../src/database/embedded/free-port.js';
import { PAGE_BYTES } from '../../src/execution/sandbox/engine.js';
import { CHECK_TIMEOUT_MS } from '../../src/observability/health.js';
import { good } from '../e2e/agents.js';
import { migrate } from '../../src/data-source.js';
import { ask } from '../e2e/rows.js';
import { canHaveEveryWall } from '../hostile/processes.js';
import { ensureInstalled } from '../support/apt.js';
import { startDebianPostgres } from '../support/debian-postgres.js';
import { until } from '../support/until.js';

const deployed = (path: string): string => fileURLToPath(new URL(`../../../deploy/${path}`, import.meta.url));

const file = (path: string): Promise<string> => readFile(deployed(path), 'utf8');

const AGENT_CLI = fileURLToPath(new URL('../../bin/agent.js', import.meta.url));

const OUR_IMAGE = 'zerostate';

/** The system calls that the containers' profile refuses; it allows all others. */
async function deniedCalls(): Promise<string[]> {
  const { defaultAction, syscalls } = JSON.parse(await file('seccomp.json'));
  expect([defaultAction, syscalls.length, syscalls[0].action]).toEqual(['SCMP_ACT_ALLOW', 1, 'SCMP_ACT_ERRNO']);
  return syscalls[0].names;
}

/** The profile as the kernel takes it from a container engine. */
async function compiledProfile(): Promise<Buffer> {
  const column = process.arch === 'arm64' ? 1 : 0;
  const numbers = (await deniedCalls()).flatMap((name) => FORBIDDEN[name][column] ?? []);
  return assemble([...load(NUMBER), ...numbers.flatMap((number) => whenEqual(number, ...refuse(1))), ...allow()]);
}

/** What docs/security.md asks for. */
const WALL_POWERS = ['SETUID', 'SETGID', 'KILL'];

interface Service {
  image?: string;
  build?: { context: string; dockerfile: string };
  pull_policy?: string;
  environment?: Record<string, string>;
  depends_on?: string[] | Record<string, unknown>;
  ports?: string[];
  volumes?: string[];
  stop_grace_period?: string;
  read_only?: boolean;
  user?: string;
  cap_drop?: string[];
  cap_add?: string[];
  security_opt?: string[];
  networks?: string[];
  mem_limit?: string;
  healthcheck?: { test: string[] };
  command?: string[];
}

/** No container engine runs in these tests: they hold the files against the code, and nothing more. */
describe('the compose file', () => {
  let services: Record<string, Service>;
  let secrets: string[];

  beforeAll(async () => {
    services = parse(await file('compose.yaml'), { merge: true }).services;
    secrets = [...(await file('.env.example')).matchAll(/^(\w+)=/gm)].map(([, name]) => name);
  });

  const ours = (): [string, Service][] => Object.entries(services).filter(([, { image }]) => image === OUR_IMAGE);

  /** Those that use the stores. */
  const stored = (): [string, Service][] => ours().filter(([, { environment }]) => environment!.ROLES !== 'validator');

  it('runs two API and two worker processes, and a validator', () => {
    const roles = ours().map(([, { environment }]) => environment!.ROLES);
    expect(roles).toEqual(['api', 'api', 'worker', 'worker', 'validator']);
  });

  it('builds their image once, and looks for it in no registry', () => {
    const [[, builder], ...others] = ours();
    expect([builder.build, builder.pull_policy]).toEqual([{ context: '..', dockerfile: 'deploy/Dockerfile' }, 'build']);
    for (const [name, { build, pull_policy }] of others) {
      expect([name, build, pull_policy]).toEqual([name, undefined, 'never']);
    }
  });

  it('names only variables that the server knows, with values that it takes', () => {
    for (const [name, { environment = {} }] of ours()) {
      const unknown = Object.keys(environment).filter((variable) => !(variable in variables.shape));
      expect([name, unknown]).toEqual([name, []]);
      const parsed = parseEnvironment({ ...filled(environment), NODE_ENV: 'production' });
      expect(parsed.server).toMatchObject({ production: true });
    }
  });

  it('asks for each secret that it uses, and for no other', async () => {
    const used = [...(await file('compose.yaml')).matchAll(/\$\{(\w+):\?\}/g)].map(([, name]) => name);
    expect([...new Set(used)].sort()).toEqual([...secrets].sort());
  });

  it('keeps ours from everything they do not need, and asks each how it is', async () => {
    const image = await file('Dockerfile');
    for (const line of [/--uid 10001 .*zerostate$/m, /^USER 10001$/m, /^HEALTHCHECK /m, /^FROM .* AS build$/m])
      expect(image).toMatch(line);
    for (const [name, { read_only, cap_drop, environment, healthcheck }] of ours()) {
      expect([name, read_only, cap_drop]).toEqual([name, true, ['ALL']]);
      if (environment!.ROLES === 'api') continue; // the image asks an API by itself
      expect(JSON.stringify(healthcheck)).toContain(`127.0.0.1:${environment!.METRICS_PORT}/health/live`);
    }
  });

  it('asks how a process is by commands that are words, and scripts that Node.js can read', () => {
    const asked = Object.entries(services).flatMap(([name, { healthcheck }]) =>
      healthcheck ? [{ name, test: healthcheck.test }] : [],
    );
    expect(asked.map(({ name }) => name)).toEqual(expect.arrayContaining(['worker-1', 'worker-2', 'postgres']));
    for (const { name, test } of asked) {
      expect([name, test]).toEqual([name, test.map(() => expect.any(String))]);
      if (test[1] !== 'node') continue;
      const { status, stderr } = spawnSync(process.execPath, ['--check', '-'], {
        input: test.at(-1),
        encoding: 'utf8',
      });
      expect([name, status, stderr]).toEqual([name, 0, '']);
    }
  });

  it('makes processes that read binaries of strangers root with the few powers that walls take, and API processes nobody', () => {
    for (const [name, { environment, user, cap_add, security_opt, volumes }] of ours()) {
      const isConfining = environment!.ROLES !== 'api';
      expect([name, user, cap_add]).toEqual([name, ...(isConfining ? ['root', WALL_POWERS] : [undefined, undefined])]);
      const profiles = isConfining ? ['seccomp:./seccomp.json', 'apparmor:unconfined'] : [];
      expect([name, security_opt]).toEqual([name, ['no-new-privileges:true', ...profiles]]);
      // Root without its powers may not write a folder of another user.
      if (environment!.ROLES === 'worker') expect([name, volumes]).toEqual([name, [environment!.DATA_DIR]]);
    }
  });

  it('gives workers no secret of accounts, no way to the internet, and the memory that their agents may take', async () => {
    const { networks } = parse(await file('compose.yaml'));
    for (const [name, { environment, networks: joined, mem_limit }] of ours()) {
      if (environment!.ROLES !== 'worker') continue;
      expect([name, Object.keys(environment!).filter((variable) => /ADMIN|CLAMD/.test(variable))]).toEqual([name, []]);
      expect([name, joined!.map((network) => networks[network])]).toEqual([name, [{ internal: true }]]);
      // The formula of docs/security.md.
      const { sandbox } = parseEnvironment(filled(environment!));
      const ofSlot =
        sandbox.maxMemoryPages * PAGE_BYTES +
        sandbox.maxInputBytes +
        2 * sandbox.maxOutputBlobBytes +
        250_000_000 +
        sandbox.recycleAboveBytes;
      const bytes = sandbox.slots * ofSlot + sandbox.binaryCacheBytes + 500_000_000;
      expect(mem_limit).toMatch(/^\d+g$/);
      expect(parseInt(mem_limit!) * 2 ** 30).toBeGreaterThanOrEqual(bytes);
    }
  });

  it('gives the validator no secret but the one it shares with API processes, and a network without stores', async () => {
    const { networks } = parse(await file('compose.yaml'));
    const { environment, networks: joined } = services.validator;
    const secret = Object.entries(environment!).filter(([, value]) => value.includes('$'));
    expect(secret).toEqual([['VALIDATOR_SECRET', '${VALIDATOR_SECRET:?}']]);
    expect(joined!.map((network) => networks[network])).toEqual([{ internal: true }]);
    const neighbours = Object.entries(services).filter(([, { networks: own = [] }]) => own.includes(joined![0]));
    expect(neighbours.map(([name]) => name)).toEqual(['api-1', 'api-2', 'validator', 'prometheus']);
    for (const name of ['api-1', 'api-2']) {
      const { VALIDATOR_URL, VALIDATOR_SECRET } = services[name].environment!;
      expect([VALIDATOR_URL, VALIDATOR_SECRET]).toEqual(['tcp://validator:9465', secret[0][1]]);
    }
    expect(environment!.VALIDATOR_URL).toBe('tcp://0.0.0.0:9465');
  });

  it('leaves no wall out by the powers and system calls that it takes from root', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'compose-'));
    const filter = join(folder, 'seccomp.bpf');
    await writeFile(filter, await compiledProfile());
    const opened = openSync(filter, 'r');
    try {
      const agent = join(folder, 'agent.wasm');
      await writeFile(agent, await good());
      const notes = (...command: string[]): unknown => {
        const [program, ...args] = [...command, process.execPath, AGENT_CLI, 'run', agent, '--json'];
        const { status, stdout, stderr } = spawnSync(program, args, { stdio: ['ignore', 'pipe', 'pipe', opened] });
        expect([status, status === 0 ? '' : String(stderr)]).toEqual([0, '']);
        return JSON.parse(String(stdout)).sandbox_notes;
      };
      const powers = WALL_POWERS.flatMap((name) => ['--cap-add', `CAP_${name}`]);
      // bwrap plays the container engine here, where it can. An ordinary user has no powers to lose.
      const engine = canHaveEveryWall()
        ? ['bwrap', '--dev-bind', '/', '/', '--cap-drop', 'ALL', ...powers, '--seccomp', '3', '--']
        : ['setpriv', '--no-new-privs', '--'];
      expect(notes(...engine)).toEqual(notes('env'));
    } finally {
      closeSync(opened);
      await rm(folder, { recursive: true });
    }
  });

  it('refuses by its profile what the filter of agents refuses, but for what the walls and the server need', async () => {
    const denied = await deniedCalls();
    expect(denied.filter((name) => !(name in FORBIDDEN))).toEqual([]);
    expect(denied).toEqual(
      expect.arrayContaining(['bpf', 'ptrace', 'io_uring_setup', 'keyctl', 'setns', 'kexec_load']),
    );
  });

  it('lets the server be neither superuser of PostgreSQL nor root of MinIO, and no stranger into Redis', () => {
    const { postgres, minio, redis } = services;
    for (const [, { environment }] of stored()) {
      expect(new URL(fill(environment!.DATABASE_URL)).username).not.toBe(postgres.environment!.POSTGRES_USER);
      expect(environment!.S3_ACCESS_KEY_ID).not.toBe(minio.environment!.MINIO_ROOT_USER);
      expect(environment!.REDIS_URL).toBe('redis://:${REDIS_PASSWORD:?}@redis:6379');
      const own = Object.values(environment!).join();
      expect(own).not.toContain(postgres.environment!.POSTGRES_PASSWORD);
      expect(own).not.toContain(minio.environment!.MINIO_ROOT_PASSWORD);
    }
    expect(redis.command!.slice(-2)).toEqual(['--requirepass', redis.environment!.REDISCLI_AUTH]);
  });

  it('makes a role that can migrate and run the server, and is no superuser', async () => {
    const postgres = await startDebianPostgres();
    try {
      const { hostname, port } = new URL(postgres.url);
      const password = "it's secret";
      const env = { POSTGRES_USER: 'zerostate_root', ZEROSTATE_PASSWORD: password, PGHOST: hostname, PGPORT: port };
      // The superuser of this PostgreSQL has the name that the script gives to its role.
      await ask(postgres.url, 'CREATE ROLE zerostate_root LOGIN SUPERUSER');
      await ask(postgres.url.replace('zerostate@', 'zerostate_root@'), 'ALTER ROLE zerostate RENAME TO maker');
      const script = deployed('postgres/create-role.sh');
      const made = spawnSync('sh', [script], { env: { PATH: process.env.PATH, ...env }, encoding: 'utf8' });
      expect([made.status, made.stderr]).toEqual([0, '']);
      const url = `postgresql://zerostate:${encodeURIComponent(password)}@${hostname}:${port}/zerostate`;
      expect(await migrate(url)).not.toEqual([]);
      const [role] = await ask(
        url,
        'SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user',
      );
      expect(role).toEqual({ rolsuper: false, rolcreaterole: false, rolcreatedb: false });
    } finally {
      await postgres.stop();
    }
  });

  it('refers to services that exist', () => {
    const names = Object.keys(services);
    for (const [name, { environment = {}, depends_on = [] }] of Object.entries(services)) {
      const needed = Array.isArray(depends_on) ? depends_on : Object.keys(depends_on);
      const hosts = Object.values(environment).flatMap(
        (value) => /^\w+:\/\/(?:[^@/]*@)?([\w-]+):\d+/.exec(value)?.[1] ?? [],
      );
      const missing = [...needed, ...hosts].filter((other) => !names.includes(other));
      expect([name, missing]).toEqual([name, []]);
    }
  });

  it('lets Prometheus read every process of ours at the port it opens for that', async () => {
    const { scrape_configs } = parse(await file('observability/prometheus.yaml'));
    const targets = scrape_configs.flatMap((job: any) => job.static_configs.flatMap((config: any) => config.targets));
    expect(targets).toEqual(ours().map(([name, { environment }]) => `${name}:${environment!.METRICS_PORT}`));
    for (const [, { environment }] of ours()) expect(environment!.METRICS_HOST).toBe('0.0.0.0');
  });

  it('gives clients addresses of the store that its port is open at, not the one inside', () => {
    for (const [, { environment }] of stored()) {
      const { s3 } = parseEnvironment(filled(environment!)).storage;
      expect(s3!.endpoint).toBe('http://minio:9000');
      expect(new URL(s3!.publicEndpoint!).hostname).not.toBe('minio');
      expect(services.minio.ports).toEqual([`127.0.0.1:${new URL(s3!.publicEndpoint!).port}:9000`]);
    }
  });

  it('names a release of each image', () => {
    const images = Object.values(services).map(({ image }) => image as string);
    const others = images.filter((image) => image !== OUR_IMAGE);
    expect(others.length).toBeGreaterThan(7);
    expect(others.filter((image) => !/:(RELEASE\.)?v?\d/.test(image))).toEqual([]);
  });

  it('gives a process that stops time to be seen as not ready, and a start time to migrate', async () => {
    const [, interval] = /health_interval (\d+)s/.exec(await file('Caddyfile'))!;
    for (const [, { environment, stop_grace_period }] of stored()) {
      const { server, queue } = parseEnvironment(filled(environment!));
      expect(server.shutdownDelayMs).toBeGreaterThanOrEqual(2000 * Number(interval));
      expect(parseInt(stop_grace_period!) * 1000).toBeGreaterThan(server.shutdownDelayMs + queue.shutdownGraceMs);
    }
    expect(await file('Dockerfile')).toMatch('--start-period=10m');
    expect(services['worker-1'].healthcheck).toMatchObject({ start_period: '10m' });
  });

  it('has the proxy wait for what a process says of itself longer than that waits for a dependency that hangs', async () => {
    const [, seconds] = /health_timeout (\d+)s/.exec(await file('Caddyfile'))!;
    expect(1000 * Number(seconds)).toBeGreaterThan(CHECK_TIMEOUT_MS);
  });

  it('has the proxy close idle connections to a process before that does', async () => {
    const [, seconds] = /keepalive (\d+)s/.exec(await file('Caddyfile'))!;
    for (const [, { environment }] of ours()) {
      const { protection } = parseEnvironment(filled(environment!));
      expect(1000 * Number(seconds)).toBeLessThan(protection.idleTimeoutMs);
    }
  });

  it('mounts files that exist, and opens nothing to the world', () => {
    const mounted = Object.values(services).flatMap(({ volumes = [] }) =>
      volumes.filter((path) => path.startsWith('.')),
    );
    expect(mounted.length).toBeGreaterThan(3);
    for (const path of mounted) expect([path, existsSync(deployed(path.split(':')[0]))]).toEqual([path, true]);
    const ports = Object.values(services).flatMap((service) => service.ports ?? []);
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });

  it('leads the port of the proxy to the port on which the image listens', async () => {
    const { port } = parseEnvironment({}).server;
    expect(services.proxy.ports).toEqual(['127.0.0.1:8080:8080']);
    expect(await file('Caddyfile')).toMatch(/^:8080 {$/m);
    expect((await file('Caddyfile')).match(/api-\d:\d+/g)).toEqual([`api-1:${port}`, `api-2:${port}`]);
    expect(await file('Dockerfile')).toMatch(new RegExp(`PORT=${port}\\b[^]*EXPOSE ${port}\\b`));
  });
});

describe('what is sent to the build of the image', () => {
  it('holds no file of secrets, in whatever folder', async () => {
    const ignored = (await file('../.dockerignore')).trim().split('\n');
    expect(ignored).toEqual(expect.arrayContaining(['.git', '.zerostate', '**/.env', '**/.env.*']));
    expect(ignored.filter((line) => line.startsWith('!'))).toEqual(['!**/.env.example']);
  });
});

describe('the proxy', () => {
  it('sends nothing to a process that is not ready, so that it can stop unnoticed', async () => {
    ensureInstalled('caddy', () => spawnSync('caddy', ['version']).status === 0, '--no-install-recommends');
    const apis = await Promise.all(['api-1', 'api-2'].map(startApi));
    const port = await freePort();
    const folder = await mkdtemp(join(tmpdir(), 'zerostate-proxy-'));
    const config = join(folder, 'Caddyfile');
    const own = apis.reduce(
      (text, { name, address }) => text.replace(`${name}:8080`, address),
      await file('Caddyfile'),
    );
    await writeFile(config, own.replace(/^:8080/m, `http://127.0.0.1:${port}`));
    const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder };
    const caddy = spawn('caddy', ['run', '--config', config, '--adapter', 'caddyfile'], { env, stdio: 'ignore' });
    const answers = async (): Promise<string[]> => {
      const all = Array.from({ length: 30 }, async () => {
        const answer = await fetch(`http://127.0.0.1:${port}/api/v1/agents`);
        return answer.ok ? answer.text() : String(answer.status);
      });
      return [...new Set(await Promise.all(all))].sort();
    };
    try {
      await until('both are asked', async () => (await answers().catch(() => [])).join() === 'api-1,api-2');
      apis[0].ready = false;
      await until('one of them is asked no more', async () => (await answers()).join() === 'api-2');
      apis[0].server.closeAllConnections();
      apis[0].server.close();
      expect(await answers()).toEqual(['api-2']);
    } finally {
      caddy.kill();
      await once(caddy, 'exit');
      for (const { server } of apis) server.close();
      for (const { server } of apis) server.closeAllConnections();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

/** Answers its name, and whether it is ready. */
async function startApi(name: string) {
  const server = createServer(({ url }, response) => {
    response.writeHead(url === '/health/ready' && !api.ready ? 503 : 200).end(name);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const api = { name, server, ready: true, address: `127.0.0.1:${(server.address() as AddressInfo).port}` };
  return api;
}

/** As an operator would have filled the secrets in. */
const filled = (environment: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, fill(value)]));

const fill = (value: string): string =>
  value.replace(/\$\{(\w+):\?\}/g, (_, name) => PUBLIC[name] ?? '0123456789abcdef'.repeat(4));

const PUBLIC: Record<string, string> = {
  ADMIN_EMAIL: 'admin@example.org',
  S3_PUBLIC_ENDPOINT: 'http://localhost:9000',
};
