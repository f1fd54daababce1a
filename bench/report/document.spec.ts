import { describe, expect, it } from '@jest/globals';
import type { Figure } from '../support/statistics.js';
import { renderDocument, type Run } from './document.js';

const rate: Figure = {
  suite: 'submission',
  backend: 'redis',
  name: 'POST /tasks',
  unit: '/s',
  ours: [900, 1100, 1000],
  peer: [2000, 2000, 2000],
  aim: { atLeast: 1000 },
};
const slow: Figure = {
  suite: 'gateway',
  backend: 'redis',
  name: 'commit → <1> socket, p99',
  unit: 'ms',
  ours: [12.5],
  aim: { below: 10 },
};
const run: Run = {
  startedAt: '2026-11-24T12:34:56.789Z',
  minutes: 12.34,
  machine: { CPU: '2 × some processor', PostgreSQL: '18.4' },
  figures: [slow, rate],
  costs: [
    {
      suite: 'submission',
      backend: 'redis',
      subject: 'POST /tasks',
      statements: 0.5,
      commits: 0.25,
      topStatements: [],
    },
  ],
  failures: ['latency on redis: nothing moves'],
};
const explanations = new Map([
  ['submission', '## Taking tasks\n\nWhy it matters.\n'],
  ['gateway', '## The feed'],
  ['unmeasured', '## Not in this run'],
]);
const { text, plots } = renderDocument(run, '# Benchmarks', explanations, 'benchmarks');

describe('the report of a benchmark', () => {
  it('says what it ran on', () => {
    expect(text).toContain('- begun: 2026-11-24 12:34 UTC\n- took: 12.3 minutes\n- CPU: 2 × some processor');
  });

  it('shows medians, ratios, and whether aims are met', () => {
    expect(text).toMatch(/\| POST \/tasks, per second +\| +1,000 \| 2,000 \| +0\.5 \| ≥ 1,000 \| yes \|/);
    expect(text).toMatch(/\| commit → <1> socket, p99, ms \| 12\.5 \|.*\| < 10 \| NO +\|/);
  });

  it('tells of suites that broke off', () => {
    expect(text).toContain('These broke off:\n\n- latency on redis: nothing moves');
  });

  it('begins with the aims that are missed', () => {
    const [summary] = text.split('## Taking tasks');
    expect(summary).toContain('Of 2 aims 1 are met. These 1 are not:');
    expect(summary).toContain('commit → <1> socket');
    expect(summary).not.toContain('POST /tasks');
  });

  it('explains each suite that was run, with its costs and its plots, in the order of the explanations', () => {
    expect(text.indexOf('## Taking tasks')).toBeLessThan(text.indexOf('## The feed'));
    expect(text).toContain('Why it matters.');
    expect(text).not.toContain('Not in this run');
    expect(text).toMatch(/\| submission \| redis \| POST \/tasks +\| +0\.5 \| +0\.25 \|/);
    expect(text).toContain('![submission, per second](benchmarks/submission-rates.svg)');
    expect(Object.keys(plots)).toEqual(['submission-rates.svg', 'gateway-times.svg']);
  });

  it('draws bars whose lengths follow their values, with what they mean as text', () => {
    const [ours, peer] = [...plots['submission-rates.svg'].matchAll(/<rect x="400" y="[\d.]+" width="([\d.]+)"/g)].map(
      ([, width]) => Number(width),
    );
    expect(ours).toBeGreaterThan(0);
    expect(peer).toBeGreaterThan(ours);
    expect(plots['gateway-times.svg']).toContain('commit → &lt;1&gt; socket, p99');
  });

  it('counts what could not be measured as missed', () => {
    const unanswered = { ...run, figures: [{ ...slow, ours: [NaN] }] };
    expect(renderDocument(unanswered, '', explanations, '.').text).toMatch(/socket, p99, ms \| none \|.*\| NO +\|/);
  });

  it('draws figures of nothing without falling over', () => {
    const nothing = { ...run, figures: [{ ...slow, ours: [0] }] };
    expect(renderDocument(nothing, '', explanations, '.').plots['gateway-times.svg']).toContain('</svg>');
  });
});
