import { describe, expect, it } from '@jest/globals';
import { Gate } from './gate.js';

describe('Gate', () => {
  it('lets only so many works run at a time, in order, and goes on after one fails', async () => {
    const gate = new Gate(2);
    const started: number[] = [];
    const finish: ((error?: Error) => void)[] = [];
    const works = [0, 1, 2, 3].map((index) =>
      gate.pass(() => {
        started.push(index);
        return new Promise<number>((resolve, reject) => {
          finish[index] = (error) => (error ? reject(error) : resolve(index));
        });
      }),
    );
    expect(started).toEqual([0, 1]);
    finish[1](new Error('failed'));
    await expect(works[1]).rejects.toThrow('failed');
    expect(started).toEqual([0, 1, 2]);
    finish[0]();
    await works[0];
    expect(started).toEqual([0, 1, 2, 3]);
    finish[2]();
    finish[3]();
    expect(await Promise.all([works[2], works[3]])).toEqual([2, 3]);
  });
});
