import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { TASK_STATUSES, TRANSITIONS, isTerminal, statesBefore } from './task-state.js';

describe('the life of a task', () => {
  it('ends in exactly three ways', () => {
    expect(TASK_STATUSES.filter(isTerminal)).toEqual(['completed', 'failed', 'cancelled']);
  });

  it('can be cut short by its submitter at any time before', () => {
    expect(statesBefore('cancelled')).toEqual(['queued', 'assigned', 'running', 'input_required']);
  });

  it('waits for its submitter only while an agent runs', () => {
    expect(statesBefore('input_required')).toEqual(['running']);
  });

  it('is completed only by a run', () => {
    expect(statesBefore('completed')).toEqual(['running']);
    expect(statesBefore('running')).toEqual(['assigned', 'input_required']);
  });

  it('returns to the queue from a worker that releases it, and from nowhere else', () => {
    expect(statesBefore('queued')).toEqual(['assigned', 'running', 'input_required']);
  });

  it('stays as it has ended', () => {
    expect([...TRANSITIONS.completed, ...TRANSITIONS.failed, ...TRANSITIONS.cancelled]).toEqual([]);
  });

  it('reaches every state from the first', () => {
    const reached = new Set(['queued']);
    for (const from of reached) for (const to of TRANSITIONS[from as keyof typeof TRANSITIONS]) reached.add(to);
    expect([...reached].sort()).toEqual([...TASK_STATUSES].sort());
  });
});

it('is drawn in docs/architecture.md as it is', () => {
  const page = readFileSync(new URL('../../../docs/architecture.md', import.meta.url), 'utf8');
  const drawn = [...page.matchAll(/^ {2}(\w+) --> (\w+)(?:: .*)?$/gm)].map(([, from, to]) => `${from} → ${to}`);
  const real = TASK_STATUSES.flatMap((from) => TRANSITIONS[from].map((to) => `${from} → ${to}`));
  expect(drawn.filter((arrow) => real.includes(arrow)).sort()).toEqual(real.sort());
});
