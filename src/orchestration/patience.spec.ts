import { describe, expect, it } from '@jest/globals';
import { insist, pauseBefore } from './patience.js';

const refusing = (times: number, error: Error) => {
  let tries = 0;
  return { write: async () => (++tries <= times ? Promise.reject(error) : tries), tries: () => tries };
};

describe('patience with a backend that is away', () => {
  it('waits twice as long each time, up to a minute, half of it by chance', () => {
    const longest = Array.from({ length: 10 }, (_, n) => pauseBefore(n + 1, () => 1));
    const shortest = Array.from({ length: 10 }, (_, n) => pauseBefore(n + 1, () => 0));
    expect(longest).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(shortest).toEqual(longest.map((ms) => ms / 2));
  });

  it('writes again what did not get through', async () => {
    const { write } = refusing(1, Object.assign(new Error('away'), { code: 'ECONNREFUSED' }));
    expect(await insist(write)).toBe(2);
  });

  it('does not repeat what the database refuses', async () => {
    const { write, tries } = refusing(9, Object.assign(new Error('no such column'), { code: '42703' }));
    await expect(insist(write)).rejects.toThrow('no such column');
    expect(tries()).toBe(1);
  });
});
