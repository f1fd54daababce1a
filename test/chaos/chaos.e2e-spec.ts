import { describe, expect, it } from '@jest/globals';
import { play } from './scenario.js';

/** A short version of `npm run chaos`: any seed must pass. */
const SEED = Number(process.env.CHAOS_SEED ?? 7);

describe('an installation that is broken while it works loses nothing', () => {
  it.each([
    ['postgres', ['worker-kill', 'postgres-kill']],
    ['redis', ['worker-kill', 'redis-loss']],
  ] as const)(
    'on %s: %j',
    async (backend, faults) => {
      const report = await play({ backend, faults, strikes: faults.length, tasks: 200, seed: SEED });
      const { violations, history = '' } = report;
      expect({ violations, history, seed: SEED }).toEqual({ violations: [], history: '', seed: SEED });
      expect(report.struck).toEqual(faults);
      expect(report.completed + report.failed + report.cancelled).toBe(200);
    },
    240_000,
  );
});
