import { describe, expect, it } from '@jest/globals';
import type { AskedQuestion, TaskChange, UnfinishedTask } from '../tasks/index.js';
import { AttemptParking } from './attempt-parking.js';
import { ParkingLot } from './parking-lot.js';

const QUESTION = { id: 'q', question: 'Why?', schema: null, leftMs: 1000, askedAt: new Date(), expiresAt: new Date() };

/** Parks one attempt over a store in memory, and notes what happens in which order. */
function world({ most = 1, fails = (_to: string): boolean => false, entered = true } = {}) {
  const notes: string[] = [];
  const kill = new AbortController();
  const lot = new ParkingLot({ parked: { most, perAccount: most } });
  const parking = new AttemptParking({
    task: { id: 'task', userId: 'submitter', timeoutMs: 1000, shareLogs: false } as UnfinishedTask,
    agent: { agentId: 'agent', ownerId: 'owner' },
    ordinal: 1,
    store: {
      transition: async ({ to }: TaskChange) => {
        notes.push(to);
        if (fails(to)) throw new Error('the connection broke');
        return true;
      },
    },
    subTasks: {
      park: async () => notes.push('waiting') > 0,
      unpark: async () => notes.push('going on') > 0,
    },
    lot,
    intake: { setParked: (parked) => void notes.push(parked ? 'place given' : 'place taken') },
    entered: async () => entered,
    onParked: () => undefined,
    signal: kill.signal,
  });
  const place = {
    park: () => void notes.push('parked'),
    unpark: async () => void notes.push('unparked'),
  };
  const wait = (answer: () => Promise<string>) =>
    parking.of(place).whileAsking(QUESTION as unknown as AskedQuestion, answer);
  const waitForTask = (answer: () => Promise<string>) => parking.of(place).whileWaiting(1000, answer);
  return { notes, kill, lot, parking, wait, waitForTask };
}

describe('an attempt that asks its submitter or waits for a sub-task', () => {
  it('gives its slot away once the task waits, and has it again before the task runs', async () => {
    const { notes, wait, parking, lot } = world();
    expect(await wait(async () => 'because')).toBe('because');
    expect(notes).toEqual(['input_required', 'parked', 'place given', 'unparked', 'place taken', 'running']);
    expect(parking.isParked).toBe(false);
    expect(lot.enter(['submitter', 'owner'])).toBeInstanceOf(Function);
  });

  it('gives its slot away in the same way while it waits for a sub-task, but stays running', async () => {
    const { notes, waitForTask, parking } = world();
    expect(await waitForTask(async () => 'done')).toBe('done');
    expect(notes).toEqual(['waiting', 'parked', 'place given', 'unparked', 'place taken', 'going on']);
    expect(parking.isParked).toBe(false);
  });

  it('runs on when the wait itself fails', async () => {
    const { notes, wait } = world();
    await expect(wait(() => Promise.reject(new Error('no database')))).rejects.toThrow('no database');
    expect(notes.slice(-3)).toEqual(['unparked', 'place taken', 'running']);
  });

  it('is running again when it is unknown whether the task was told to wait', async () => {
    const { notes, wait } = world({ fails: (to) => to === 'input_required' });
    await expect(wait(async () => 'late')).rejects.toThrow('the connection broke');
    expect(notes).toEqual(['input_required', 'running']);
  });

  it('writes nothing more once it was killed', async () => {
    const { notes, wait, kill, parking } = world();
    const killed = wait(async () => {
      kill.abort('superseded');
      throw new Error('ended');
    });
    await expect(killed).rejects.toThrow('ended');
    expect([notes.at(-1), parking.isParked]).toEqual(['place given', true]);
  });

  it('asks nothing when no place is left, or the attempt no longer counts', async () => {
    const full = world({ most: 0 });
    await expect(full.wait(async () => '')).rejects.toMatchObject({ code: 'TOO_MANY_PARKED' });
    const over = world({ entered: false });
    await expect(over.wait(async () => '')).rejects.toMatchObject({ code: 'CALL_ENDED' });
    expect([full.notes, over.notes]).toEqual([[], []]);
  });
});
