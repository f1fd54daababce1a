import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { steady } from './steady-backend.js';

const refusal = new Error("NOPERM this user has no permissions to run the 'evalsha' command");

describe('a steady backend', () => {
  let answer: () => Promise<any>;
  let backend: { moveToActive(token: string): any; waitForJob(seconds: number): any; moveStalledJobsToWait(): any };
  let trouble: Error | null;
  let failedLooks: Error[];
  let pauses: number[];

  beforeEach(() => {
    [trouble, failedLooks, pauses] = [null, [], []];
    answer = () => Promise.reject(refusal);
    backend = { moveToActive: () => answer(), waitForJob: () => answer(), moveStalledJobsToWait: () => answer() };
    steady(backend, {
      onTrouble: (now) => (trouble = now),
      onFailedLook: (error) => failedLooks.push(error),
      backOff: async (failures) => void pauses.push(failures),
    });
  });

  it('pauses longer after each failed fetch or wait, and says why', async () => {
    await expect(backend.moveToActive('token')).rejects.toBe(refusal);
    await expect(backend.waitForJob(5)).rejects.toBe(refusal);
    await expect(backend.moveToActive('token')).rejects.toBe(refusal);
    expect(pauses).toEqual([1, 2, 3]);
    expect(trouble).toBe(refusal);
  });

  it('forgets failures once a fetch succeeds', async () => {
    await backend.moveToActive('token').catch(() => undefined);
    answer = async () => ['entry'];
    expect(await backend.moveToActive('token')).toEqual(['entry']);
    expect(trouble).toBe(null);
    answer = () => Promise.reject(refusal);
    await backend.moveToActive('token').catch(() => undefined);
    expect(pauses).toEqual([1, 1]);
  });

  it('forgets them when a wait goes on, since a refusal comes at once', async () => {
    jest.useFakeTimers();
    await backend.waitForJob(5).catch(() => undefined);
    let end: (value: null) => void = () => undefined;
    answer = () => new Promise((resolve) => (end = resolve));
    const waiting = backend.waitForJob(3600);
    expect(trouble).toBe(refusal);
    jest.advanceTimersByTime(1000);
    expect(trouble).toBe(null);
    end(null);
    expect(await waiting).toBe(null);
    jest.useRealTimers();
  });

  it('answers a failed look for entries of lost workers, after which the worker would never look again', async () => {
    expect(await backend.moveStalledJobsToWait()).toEqual([]);
    expect(failedLooks).toEqual([refusal]);
    answer = async () => ['stalled'];
    expect(await backend.moveStalledJobsToWait()).toEqual(['stalled']);
  });
});
