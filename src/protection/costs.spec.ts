import { beforeEach, describe, expect, it } from '@jest/globals';
import { Costs } from './costs.js';

describe('the costs of users', () => {
  let costs: Costs;

  beforeEach(() => {
    costs = new Costs();
  });

  const isTurnedAway = (user: string): boolean => {
    if (costs.shedding === 'all') return true;
    try {
      costs.assertNotHeavy(user);
      return false;
    } catch (error) {
      expect(error).toMatchObject({ kind: 'overloaded', code: 'OVERLOADED', retryAfter: 2 });
      return true;
    }
  };

  it('turn no one away while the event loop is in time', () => {
    costs.charge('heavy', 100_000, 0);
    costs.look(false, 0);
    expect(isTurnedAway('heavy')).toBe(false);
  });

  it('turn the heaviest user away first when it runs late, and the others not', () => {
    costs.charge('heavy', 5000, 0);
    for (let user = 0; user < 50; user++) costs.charge(`light-${user}`, 20, 0);
    costs.look(true, 0);
    expect([isTurnedAway('heavy'), isTurnedAway('light-1'), isTurnedAway('newcomer')]).toEqual([true, false, false]);
    costs.look(false, 0);
    expect(isTurnedAway('heavy')).toBe(false);
  });

  it('turn as many away as stand for half of all costs', () => {
    for (const user of ['a', 'b', 'c', 'd']) costs.charge(user, 1000, 0);
    costs.look(true, 0);
    expect(['a', 'b', 'c', 'd'].filter(isTurnedAway)).toHaveLength(2);
  });

  it('turn everyone away when that does not help, or when no user is to blame', () => {
    costs.charge('heavy', 5000, 0);
    for (let look = 0; look < 4; look++) costs.look(true, 0);
    expect(isTurnedAway('light')).toBe(false);
    costs.look(true, 0);
    expect(isTurnedAway('light')).toBe(true);
    costs = new Costs();
    costs.charge('light', 10, 0);
    costs.look(true, 0);
    expect(isTurnedAway('light')).toBe(true);
  });

  it('are forgotten by and by', () => {
    costs.charge('user', 1000, 0);
    expect(costs.costOf('user', 10_000)).toBeCloseTo(500);
    expect(costs.costOf('user', 100_000)).toBeLessThan(1);
  });

  it('are remembered of a bounded number of users', () => {
    for (let user = 0; user < 10_001; user++) costs.charge(`user-${user}`, 1, 0);
    expect([costs.costOf('user-0', 0), costs.costOf('user-1', 0)]).toEqual([0, 1]);
  });
});
