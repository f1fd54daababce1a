import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { parseEnvironment, variables } from '../../src/config/environment.js';
import { good } from '../e2e/agents.js';
import { canHaveEveryWall } from '../hostile/processes.js';

const deployed = (path: string): string => fileURLToPath(new URL(`../../../deploy/${path}`, import.meta.url));

const file = (path: string): Promise<string> => readFile(deployed(path), 'utf8');

const AGENT_CLI = fileURLToPath(new URL('../../src/agent-cli/main.js', import.meta.url));

/** What docs/security.md asks for. */
const WALL_POWERS = ['SETUID', 'SETGID', 'SETPCAP', 'KILL', 'SYS_ADMIN'];

interface Service {
  image?: string;
  build?: { dockerfile: string };
  environment?: Record<string, string>;
  depends_on?: string[] | Record<string, unknown>;
  ports?: string[];
  volumes?: string[];
  command?: string[];
  read_only?: boolean;
  user?: string;
  cap_drop?: string[];
  cap_add?: string[];
  security_opt?: string[];
  healthcheck?: object;
}

/** No container engine runs in these tests: they hold the files against the code, and nothing more. */
describe('the compose file', () => {
  let services: Record<string, Service>;
  let secrets: string[];

  beforeAll(async () => {
    services = parse(await file('compose.yaml'), { merge: true }).services;
    secrets = [...(await file('.env.example')).matchAll(/^(\w+)=/gm)].map(([, name]) => name);
  });

  const ours = (): [string, Service][] => Object.entries(services).filter(([, { build }]) => build);

  it('runs two API and two worker processes', () => {
    expect(ours().map(([, { environment }]) => environment!.ROLES)).toEqual(['api', 'api', 'worker', 'worker']);
  });

  it('names only variables that the server knows, with values that it takes', () => {
    for (const [name, { environment = {} }] of ours()) {
      const unknown = Object.keys(environment).filter((variable) => !(variable in variables.shape));
      expect([name, unknown]).toEqual([name, []]);
      const filled = Object.entries(environment).map(([key, value]) => [key, fill(value)]);
      const parsed = parseEnvironment({ ...Object.fromEntries(filled), NODE_ENV: 'production' });
      expect(parsed.server).toMatchObject({ production: true });
    }
  });

  it('asks for each secret that it uses, and for no other', async () => {
    const used = [...(await file('compose.yaml')).matchAll(/\$\{(\w+):\?\}/g)].map(([, name]) => name);
    expect([...new Set(used)].sort()).toEqual([...secrets].sort());
  });

  it('keeps ours from everything they do not need, and asks each how it is', async () => {
    const image = await file('Dockerfile');
    for (const line of [/^USER zerostate$/m, /^HEALTHCHECK /m, /^FROM .* AS build$/m]) expect(image).toMatch(line);
    for (const [name, { read_only, cap_drop, environment, healthcheck }] of ours()) {
      expect([name, read_only, cap_drop]).toEqual([name, true, ['ALL']]);
      if (environment!.ROLES !== 'worker') continue; // the image asks an API by itself
      expect(JSON.stringify(healthcheck)).toContain(`127.0.0.1:${environment!.METRICS_PORT}/health/live`);
    }
  });

  it('makes workers root with the few powers that walls around agents take, and API processes nobody', () => {
    for (const [name, { environment, user, cap_add, security_opt }] of ours()) {
      const isWorker = environment!.ROLES === 'worker';
      expect([name, user, cap_add]).toEqual([name, ...(isWorker ? ['root', WALL_POWERS] : [undefined, undefined])]);
      expect([name, security_opt]).toEqual([name, ['no-new-privileges:true']]);
    }
  });

  it('leaves no wall out by what it takes from root', async () => {
    if (!canHaveEveryWall()) return expect(process.getuid?.() === 0 && process.platform === 'linux').toBe(false);
    const left = `-all,${WALL_POWERS.map((name) => `+${name.toLowerCase()}`).join(',')}`;
    const folder = await mkdtemp(join(tmpdir(), 'compose-'));
    try {
      const agent = join(folder, 'agent.wasm');
      await writeFile(agent, await good());
      const confined = [`--bounding-set=${left}`, '--inh-caps=-all', '--no-new-privs', '--', process.execPath];
      const { status, stdout } = spawnSync('setpriv', [...confined, AGENT_CLI, 'run', agent, '--json']);
      expect([status, JSON.parse(String(stdout)).sandbox_notes]).toEqual([0, []]);
    } finally {
      await rm(folder, { recursive: true });
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

  it('mounts files that exist, and opens nothing but the proxy to the world', () => {
    const mounted = Object.values(services).flatMap(({ volumes = [] }) =>
      volumes.filter((path) => path.startsWith('.')),
    );
    expect(mounted.length).toBeGreaterThan(3);
    for (const path of mounted) expect([path, existsSync(deployed(path.split(':')[0]))]).toEqual([path, true]);
    const ports = Object.values(services).flatMap((service) => service.ports ?? []);
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual(['8080:8080']);
  });

  it('leads the one open port to the port on which the image listens', async () => {
    const open = Object.entries(services).filter(([, { ports }]) => ports?.some((port) => !port.startsWith('127.')));
    expect(open.map(([name]) => name)).toEqual(['proxy']);
    const { port } = parseEnvironment({}).server;
    expect(open[0][1].ports).toEqual([`8080:8080`]);
    const targets = open[0][1].command!.filter((word) => word.startsWith('api-'));
    expect(targets).toEqual([`api-1:${port}`, `api-2:${port}`]);
    expect(await file('Dockerfile')).toMatch(new RegExp(`PORT=${port}\\b[^]*EXPOSE ${port}\\b`));
  });
});

/** As an operator would have filled the secrets in. */
const fill = (value: string): string =>
  value.replace(/\$\{(\w+):\?\}/g, (_, name) =>
    name === 'ADMIN_EMAIL' ? 'admin@example.org' : '0123456789abcdef'.repeat(4),
  );
