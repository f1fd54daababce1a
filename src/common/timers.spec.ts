import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { inTime } from './timers.js';

const never = new Promise<never>(() => undefined);

describe('work with a time limit', () => {
  it('gives its result or its error when it ends in time', async () => {
    await expect(inTime(Promise.resolve('done'), 60_000, () => 'late')).resolves.toBe('done');
    await expect(inTime(Promise.reject(new Error('failed')), 60_000, () => 'late')).rejects.toThrow('failed');
  });

  it('gives the other result, or error, when it does not', async () => {
    await expect(inTime(never, 1, () => 'late')).resolves.toBe('late');
    const late = (): never => {
      throw new Error('too late');
    };
    await expect(inTime(never, 1, late)).rejects.toThrow('too late');
  });

  it('ignores an error that comes late', async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    let fail!: (error: Error) => void;
    const work = new Promise<never>((_, reject) => (fail = reject));
    await inTime(work, 1, () => undefined);
    fail(new Error('too late'));
    await turn();
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });
});
