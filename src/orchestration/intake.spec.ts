import { describe, expect, it } from '@jest/globals';
import { parseEnvironment } from '../config/index.js';
import { Intake } from './intake.js';

describe('the intake of a worker with two sandboxes', () => {
  it('begins with little more than it can run', () => {
    expect(limitAfter([])).toBe(4);
  });

  it('takes on more while tasks hardly wait for a sandbox, up to its most', () => {
    expect(limitAfter([5, 5, 5])).toBe(7);
    expect(limitAfter(Array(200).fill(1))).toBe(64);
  });

  it('takes on fewer when they wait long, down to what keeps the sandboxes busy', () => {
    expect(limitAfter([...Array(200).fill(1), 10_000])).toBe(48);
    expect(limitAfter([...Array(200).fill(1), ...Array(20).fill(10_000)])).toBe(4);
  });

  it('stays where it is when they wait neither shortly nor long', () => {
    expect(limitAfter([5, 100, 100])).toBe(5);
  });

  it('never takes on more than it is configured to', () => {
    expect(limitAfter([1, 1, 1], 1)).toBe(1);
  });
});

function limitAfter(waits: number[], most = 64): number {
  const { queue, sandbox } = parseEnvironment({ WORKER_CONCURRENCY: String(most), SANDBOX_SLOTS: '2' });
  const intake = new Intake(queue, sandbox);
  let announced = intake.limit;
  intake.onChange((limit) => (announced = limit));
  for (const ms of waits) intake.waited(ms);
  expect(announced).toBe(intake.limit);
  return announced;
}
