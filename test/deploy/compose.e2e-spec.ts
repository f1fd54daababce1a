import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { parseEnvironment, variables } from '../../src/config/environment.js';

const file = (path: string): Promise<string> =>
  readFile(fileURLToPath(new URL(`../../../deploy/${path}`, import.meta.url)), 'utf8');

interface Service {
  image?: string;
  build?: { dockerfile: string };
  environment?: Record<string, string>;
  depends_on?: string[] | Record<string, unknown>;
  ports?: string[];
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

  it('leads the one open port to the port on which the image listens', async () => {
    const open = Object.entries(services).filter(([, { ports }]) => ports);
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
