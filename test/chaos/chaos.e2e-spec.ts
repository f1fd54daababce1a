import { describe, expect, it } from '@jest/globals';
import { play } from './scenario.js';

/** A short version of `npm run chaos`; every seed it is given must pass. */
const SEED = Number(process.env.CHAOS_SEED ?? 7);

describe.each(['postgres', 'redis'] as const)('an installation on %s that is broken while it works', (backend) => {
  it('loses nothing', async () => {
    const report = await play({ backend, faults: ['worker-kill'], strikes: 1, tasks: 200, seed: SEED });
    expect({ violations: report.violations, history: report.history, seed: SEED }).toEqual({
      violations: [],
      seed: SEED,
    });
    expect(report.struck).toHaveLength(1);
  }, 120_000);
});
