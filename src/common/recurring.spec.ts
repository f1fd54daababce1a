import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { until } from '../../test/support/until.js';
import { Recurring } from './recurring.js';

const NEVER_MS = 3_600_000;

describe('recurring work', () => {
  let recurring: Recurring;
  const faults: string[] = [];
  const tell = ({ message }: Error): void => void faults.push(message);

  afterEach(async () => {
    await recurring.stop();
    faults.length = 0;
  });

  it('comes again after it has ended, never twice at once', async () => {
    let underWay = 0;
    let most = 0;
    let rounds = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++underWay);
      await pause(5);
      underWay--;
      rounds++;
    };
    recurring = new Recurring(work, 0, tell);
    recurring.start();
    await until('it has come three times', () => rounds >= 3);
    expect(most).toBe(1);
    expect(faults).toEqual([]);
  });

  it('comes again after a round that failed, and says that it did', async () => {
    let rounds = 0;
    const work = async (): Promise<void> => {
      if (++rounds === 1) throw new Error('away');
    };
    recurring = new Recurring(work, 0, tell);
    recurring.start();
    await until('it has come again', () => rounds >= 2);
    expect(faults).toEqual(['away']);
  });

  it('waits as long as its last round has answered', async () => {
    let rounds = 0;
    const work = async (): Promise<number> => (++rounds < 3 ? 0 : NEVER_MS);
    recurring = new Recurring(work, NEVER_MS, tell);
    recurring.start(0);
    await until('it has come three times', () => rounds === 3);
    await pause(20);
    expect(rounds).toBe(3);
  });

  it('stops once the round under way, which is told, has ended, and does not come again', async () => {
    let rounds = 0;
    let ended = false;
    const work = async (signal: AbortSignal): Promise<void> => {
      rounds++;
      await pause(NEVER_MS, undefined, { signal }).catch(() => undefined);
      ended = true;
    };
    recurring = new Recurring(work, 0, tell);
    recurring.start();
    await until('it is under way', () => rounds === 1);
    await recurring.stop();
    expect(ended).toBe(true);
    recurring.start();
    await pause(20);
    expect(rounds).toBe(1);
  });
});
