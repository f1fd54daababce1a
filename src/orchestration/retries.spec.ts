import { describe, expect, it } from '@jest/globals';
import { retryDuringOutage } from './retries.js';

const refusing = (times: number, error: Error) => {
  let tries = 0;
  return { write: async () => (++tries <= times ? Promise.reject(error) : tries), tries: () => tries };
};

const away = Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
const running = new AbortController().signal;

describe('work during an outage', () => {
  it('writes again what did not get through', async () => {
    const { write } = refusing(1, away);
    expect(await retryDuringOutage(write, running)).toBe(2);
  });

  it('tries once more when the process is to stop, and no more', async () => {
    const stopping = new AbortController();
    const { write, tries } = refusing(9, away);
    const writing = retryDuringOutage(write, stopping.signal);
    stopping.abort();
    await expect(writing).rejects.toThrow('away');
    expect(tries()).toBe(2);
  });

  it.each([
    ['what the database refuses', Object.assign(new Error('no such column'), { code: '42703' })],
    ['a mistake of our own', new TypeError('x is not a function')],
  ])('does not repeat %s', async (_, error) => {
    const { write, tries } = refusing(9, error);
    await expect(retryDuringOutage(write, running)).rejects.toThrow(error.message);
    expect(tries()).toBe(1);
  });
});
