import { describe, expect, it } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { type Permissions, PermissionsDto } from './permissions.dto.js';
import { isWider, lacking } from './permissions.js';

const faults = (value: object): string[] => {
  const paths = (errors: ReturnType<typeof validateSync>, prefix = ''): string[] =>
    errors.flatMap(({ property, children, constraints }) => [
      ...(constraints ? [prefix + property] : []),
      ...paths(children ?? [], `${prefix}${property}.`),
    ]);
  return paths(validateSync(plainToInstance(PermissionsDto, value), { whitelist: true, forbidNonWhitelisted: true }));
};

describe('permissions', () => {
  it('name public hosts, methods, models and no more', () => {
    const full = {
      http: { hosts: ['api.example.com', 'xn--bcher-kva.de'], methods: ['GET', 'POST'] },
      kv: {},
      output: true,
    };
    expect(faults({ ...full, llm: { models: ['small', 'vendor/large:1'] } })).toEqual([]);
    expect(faults({})).toEqual([]);
  });

  it.each([
    '*',
    '*.example.com',
    'example',
    'localhost',
    'a.localhost',
    'db.internal',
    'printer.local',
    'x.home.arpa',
    '127.0.0.1',
    '2130706433',
    '0x7f.1',
    '127.1',
    '[::1]',
    '::1',
    'example.com:8080',
    'https://example.com',
    'user@example.com',
    'EXAMPLE.com',
    'example.com.',
    'exa mple.com',
    '-a.com',
    'bücher.de',
    '',
    'a..com',
  ])('refuse the host %s with its path', (host) => {
    expect(faults({ http: { hosts: [host] } })).toEqual(['http.hosts']);
  });

  it.each([
    [{ http: {} }, 'http.hosts'],
    [{ http: { hosts: [] } }, 'http.hosts'],
    [{ http: { hosts: ['a.com'], methods: ['CONNECT'] } }, 'http.methods'],
    [{ http: { hosts: ['a.com'], ports: [1] } }, 'http.ports'],
    [{ llm: { models: ['*'] } }, 'llm.models'],
    [{ kv: { keys: 3 } }, 'kv'],
    [{ kv: true }, 'kv'],
    [{ output: false }, 'output'],
    [{ tasks: {} }, 'tasks.capabilities'],
    [{ tasks: { capabilities: [] } }, 'tasks.capabilities'],
    [{ tasks: { capabilities: ['*'] } }, 'tasks.capabilities'],
    [{ tasks: true }, 'tasks'],
    [{ files: {} }, 'files'],
  ])('refuse %j at %s', (value, path) => {
    expect(faults(value)[0]).toBe(path);
  });

  const base: Permissions = { http: { hosts: ['a.com', 'b.com'] }, llm: { models: ['small'] } };
  it.each([
    ['nothing more', base, base, false],
    ['fewer hosts', { http: { hosts: ['a.com'] } }, base, false],
    ['nothing', null, base, false],
    ['the default method by name', { http: { hosts: ['a.com'], methods: ['GET'] } }, base, false],
    ['another method', { http: { hosts: ['a.com'], methods: ['POST'] } }, base, true],
    ['another host', { http: { hosts: ['c.com'] } }, base, true],
    ['another model', { llm: { models: ['large'] } }, base, true],
    ['another kind', { kv: {} }, base, true],
    ['fewer capabilities', { tasks: { capabilities: ['a'] } }, { tasks: { capabilities: ['a', 'b'] } }, false],
    ['another capability', { tasks: { capabilities: ['c'] } }, { tasks: { capabilities: ['a', 'b'] } }, true],
    ['anything where there was nothing', { output: true }, null, true],
  ] as [string, Permissions | null, Permissions | null, boolean][])(
    'are wider or not by %s',
    (_, wanted, had, wider) => {
      expect(isWider(wanted, had)).toBe(wider);
    },
  );

  it('need what the task did not allow, except partial results', () => {
    expect(lacking({ ...base, kv: {}, output: true }, ['http'])).toEqual(['llm', 'kv']);
    expect(lacking(null, [])).toEqual([]);
  });
});
