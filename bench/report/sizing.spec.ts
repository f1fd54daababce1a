import { describe, expect, it } from '@jest/globals';
import type { Run } from './document.js';
import { renderSizing } from './sizing.js';

const figure = (suite: string, name: string, ours: number[]) =>
  ({ suite, name, ours, backend: 'redis', unit: 'ms' }) as Run['figures'][number];
const cost = (suite: string, subject: string, used: object) =>
  ({ suite, subject, backend: 'redis', statements: 1, commits: 2, topStatements: [], ...used }) as Run['costs'][number];

const run: Run = {
  startedAt: '2026-11-24T12:34:56.789Z',
  minutes: 12,
  machine: { CPU: '2 × some processor', 'load average at the start': '0.10' },
  figures: [
    figure('end-to-end', 'tasks, one process', [300, 200, 250]),
    figure('end-to-end', 'tasks, apart, two workers', [160]),
    figure('onlooker', 'CPU of an API process that only looks on, of one task', [0.1]),
    figure('gateway', 'memory of one of 10000 idle sockets', [20_000]),
    figure('gateway', 'commit → the last of 10,000 sockets, p50', [200]),
  ],
  costs: [
    cost('submission', 'POST /tasks', { nodeCpuMs: 0.5 }),
    cost('end-to-end', 'one process', {
      ...{ nodeCpuMs: 2, sandboxCpuMs: 0.5, postgresCpuMs: 1.25, redisCpuMs: 0.25, walKb: 4, storedKb: 2 },
    }),
    cost('end-to-end', 'apart, two workers', {
      ...{ nodeCpuMs: 2.5, sandboxCpuMs: 0.5, postgresCpuMs: 1.5, redisCpuMs: 0.5, walKb: 4, storedKb: 2 },
    }),
  ],
  failures: [],
};
const rows = (text: string) => text.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
const installation = (text: string, machines: string, agents: string) =>
  rows(text)
    .find(([, first, second]) => first === machines && second === agents)
    ?.slice(3, -1);

describe('the sizing by the figures of a run', () => {
  const text = renderSizing(run);

  it('names where each figure comes from', () => {
    expect(rows(text)).toContainEqual(['', 'its part of Redis', 'end-to-end, one process: Redis ms', '0.25 ms', '']);
  });

  it('finds the part that is the limit, and what that many tasks need of the others', () => {
    // Two cores could do 500/s and did 250: so four do 500 at that share.
    expect(installation(text, '1', 'next to nothing')?.slice(0, 3)).toEqual(['500', 'cores of the machines', '500']);
    // With processes apart they could do 400/s and did 160: 100 × 4 cores × 0.4 / (3 + 1000) ms
    expect(installation(text, '100', '1000 ms')?.slice(0, 3)).toEqual(['160', 'cores of the machines', '160']);
    // 1000 / 0.5 ms of Redis's core, before the feed's 1000 / 0.1 ms and 16 cores of PostgreSQL.
    const needs = ['1', '3', '4,000', '7.81', '330'];
    expect(installation(text, '100', 'next to nothing')).toEqual(['53,333', 'Redis', '2,000', ...needs]);
  });

  it('says what a run has not measured, and concludes nothing from it', () => {
    const partial = renderSizing({ ...run, figures: run.figures.filter(({ suite }) => suite !== 'onlooker') });
    expect(rows(partial).find(([, what]) => what?.startsWith('any other API process'))?.[3]).toBe('not measured');
    expect(installation(partial, '10', 'next to nothing')?.[1]).toBe('not measured');
  });
});
