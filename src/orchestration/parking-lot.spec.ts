import { describe, expect, it } from '@jest/globals';
import { ParkingLot } from './parking-lot.js';

const lotOf = (most: number, perAccount: number) => new ParkingLot({ parked: { most, perAccount } });

describe('the places of agents that wait for an answer', () => {
  it('are limited for the whole worker', () => {
    const lot = lotOf(2, 2);
    expect(['a', 'b', 'c'].map((id) => typeof lot.enter([id, `owner of ${id}`]))).toEqual([
      'function',
      'function',
      'string',
    ]);
    expect(lot.enter(['d', 'e'])).toBe('worker');
  });

  it('are limited for an account, be it the submitter or the owner of the agent', () => {
    const lot = lotOf(10, 2);
    lot.enter(['submitter', 'x']);
    lot.enter(['y', 'submitter']);
    expect(lot.enter(['submitter', 'z'])).toBe('account');
    expect(lot.enter(['z', 'submitter'])).toBe('account');
    expect(lot.enter(['z', 'x'])).toBeInstanceOf(Function);
  });

  it('count a task for its own agent once', () => {
    const lot = lotOf(10, 2);
    lot.enter(['me', 'me']);
    expect(lot.enter(['me', 'me'])).toBeInstanceOf(Function);
  });

  it('are given back once', () => {
    const lot = lotOf(1, 1);
    const leave = lot.enter(['a', 'b']) as () => void;
    leave();
    leave();
    expect(lot.enter(['a', 'b'])).toBeInstanceOf(Function);
    expect(lot.enter(['c', 'd'])).toBe('worker');
  });
});
