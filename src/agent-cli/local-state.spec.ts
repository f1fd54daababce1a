import { describe, expect, it } from '@jest/globals';
import { LocalState } from './local-state.js';

const LIMITS = { entries: 2, bytes: 20, valueBytes: 10 };

describe('the state of an agent that runs without a server', () => {
  it('gives each write a new revision, and refuses one that expects another', async () => {
    const state = new LocalState(LIMITS);
    expect(await state.put('', 'a', '1', 0)).toEqual({ outcome: 'written', revision: 1 });
    expect(await state.put('', 'b', '1')).toEqual({ outcome: 'written', revision: 2 });
    expect(await state.put('', 'a', '2', 0)).toEqual({ outcome: 'conflict', revision: 1 });
    expect(await state.delete('', 'a')).toBe(true);
    expect(await state.put('', 'a', '2', 0)).toEqual({ outcome: 'written', revision: 3 });
  });

  it('is bounded in entries and bytes, and expired entries do not count', async () => {
    const state = new LocalState(LIMITS);
    await state.put('', 'a', '1', undefined, -1);
    await state.put('', 'b', '1');
    expect(await state.get('', 'a')).toBeNull();
    expect((await state.put('', 'c', '1')).outcome).toBe('written');
    expect((await state.put('', 'd', '1')).outcome).toBe('full');
    expect((await state.put('', 'c', '"0123456789abcdef"')).outcome).toBe('full');
    expect((await state.list('', '', 'b', 10)).map(({ key }) => key)).toEqual(['c']);
  });

  it('is the same after it was written to a file and read', async () => {
    const state = new LocalState(LIMITS);
    await state.put('', '__proto__', '{"n":1}');
    const again = new LocalState(LIMITS);
    again.load(JSON.parse(JSON.stringify(state)));
    expect(await again.get('', '__proto__')).toMatchObject({ value: '{"n":1}', revision: 1 });
    expect(await again.put('', 'b', '1')).toEqual({ outcome: 'written', revision: 2 });
    expect(() => again.load({ revision: 1, entries: [{ key: 'a' }] })).toThrow('--state: entries.0.');
  });
});
