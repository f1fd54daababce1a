import { describe, expect, it, jest } from '@jest/globals';
import { Refusal } from '../common/refusal.js';
import { DependencyFault } from './dependency-fault.js';
import { Health } from './health.js';

describe('the health of a process', () => {
  it('is asked of each dependency once, however many want to know within a moment', async () => {
    const health = serving();
    const check = jest.fn(() => Promise.resolve());
    health.register('database', check);
    const reports = await Promise.all(Array.from({ length: 50 }, () => health.report()));
    expect(new Set(reports.map(({ status }) => status))).toEqual(new Set(['ready']));
    await health.report();
    expect(check).toHaveBeenCalledTimes(1);
  });

  it('is asked anew after that moment', async () => {
    const health = serving();
    let away = false;
    health.register('database', () => (away ? Promise.reject(new DependencyFault('away')) : Promise.resolve()));
    expect((await health.report()).status).toBe('ready');
    away = true;
    await passed(1500);
    const { status, dependencies } = await health.report();
    expect([status, dependencies.database.reason]).toEqual(['not_ready', 'away']);
  });

  it.each([
    ['NOPERM', Object.assign(new Error('NOPERM User svc may not run info'), { name: 'ReplyError' })],
    ['28P01', Object.assign(new Error('password authentication failed for user "svc"'), { code: '28P01' })],
    ['ECONNREFUSED', Object.assign(new Error('connect ECONNREFUSED 10.0.0.1:6379 svc'), { code: 'ECONNREFUSED' })],
    ['refused', new Refusal('The Redis user svc may not run ZADD.', 'Grant it.')],
    ['failed', new Error('svc is unknown')],
    ['failed', Object.assign(new Error('svc'), { code: 'user svc' })],
  ])('shows a fault as its class alone (%s), since its text may name users and hosts', async (reason, error) => {
    const health = serving();
    health.register('queue', () => Promise.reject(error));
    const { queue } = (await health.report()).dependencies;
    expect(queue).toEqual({ status: 'down', required: true, ms: expect.any(Number), reason });
    expect((await health.ask(1000)).queue.fault).toContain('svc');
  });

  it('gathers no questions with a dependency that hangs, until the first has had no answer for long', async () => {
    jest.useFakeTimers();
    try {
      const health = serving();
      const check = jest.fn(() => new Promise<void>(() => undefined));
      health.register('database', check);
      const ask = async () => {
        const asked = health.report();
        await jest.advanceTimersByTimeAsync(2000);
        expect((await asked).dependencies.database.reason).toBe('no answer within 1000 ms');
      };
      for (let times = 0; times < 10; times++) await ask();
      expect(check).toHaveBeenCalledTimes(1);
      for (let times = 0; times < 10; times++) await ask();
      expect(check).toHaveBeenCalledTimes(2);
    } finally {
      jest.useRealTimers();
    }
  });

  it('is bad until the start is over, however well everything answers', async () => {
    const health = new Health();
    health.register('database', () => Promise.resolve());
    expect(await health.report()).toMatchObject({
      status: 'not_ready',
      dependencies: { database: { status: 'up' }, process: { status: 'down', reason: 'starting' } },
    });
    health.serve();
    expect((await health.report()).status).toBe('ready');
  });

  it('is bad from the moment it is told to stop, whatever was found a moment ago', async () => {
    const health = serving();
    health.register('database', () => Promise.resolve());
    await health.report();
    health.stop();
    expect(await health.report()).toMatchObject({ status: 'not_ready', dependencies: { process: { status: 'down' } } });
  });
});

function serving(): Health {
  const health = new Health();
  health.serve();
  return health;
}

const passed = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
