import { describe, expect, it } from '@jest/globals';
import { insist, pauseBefore } from './patience.js';

const refusing = (times: number, error: Error) => {
  let tries = 0;
  return { write: async () => (++tries <= times ? Promise.reject(error) : tries), tries: () => tries };
};

const away = Object.assign(new Error('away'), { code: 'ECONNREFUSED' });
const running = new AbortController().signal;

describe('patience with a backend that is away', () => {
  it('waits twice as long each time, up to a minute, half of it by chance', () => {
    const longest = Array.from({ length: 10 }, (_, n) => pauseBefore(n + 1, () => 1));
    const shortest = Array.from({ length: 10 }, (_, n) => pauseBefore(n + 1, () => 0));
    expect(longest).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    expect(shortest).toEqual(longest.map((ms) => ms / 2));
  });

  it('writes again what did not get through', async () => {
    const { write } = refusing(1, away);
    expect(await insist(write, running)).toBe(2);
  });

  it.each([
    ['a server that shuts down', { code: '57P01' }],
    ['a full disk', { code: '53100' }],
    ['a read error of its disk', { code: '58030' }],
    ['a primary that has become a standby', { code: '25006' }],
    ['a connection that was reset', { code: 'ECONNRESET' }],
    ['a server that lets nobody in', { message: 'timeout expired' }],
    ['a server that fell silent', { message: 'Query read timeout' }],
    ['a statement that the server gave up', { code: '57014' }],
    ['a connection that ended in the middle', { message: 'Connection terminated unexpectedly' }],
  ])('counts as one: %s', async (_, fields) => {
    expect(await insist(refusing(1, Object.assign(new Error(), fields)).write, running)).toBe(2);
  });

  it('tries once more when the process is to stop, and no more', async () => {
    const stopping = new AbortController();
    const { write, tries } = refusing(9, away);
    const writing = insist(write, stopping.signal);
    stopping.abort();
    await expect(writing).rejects.toThrow('away');
    expect(tries()).toBe(2);
  });

  it.each([
    ['what the database refuses', Object.assign(new Error('no such column'), { code: '42703' })],
    ['a mistake of our own', new TypeError('x is not a function')],
  ])('does not repeat %s', async (_, error) => {
    const { write, tries } = refusing(9, error);
    await expect(insist(write, running)).rejects.toThrow(error.message);
    expect(tries()).toBe(1);
  });
});
