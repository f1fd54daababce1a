import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { parseEnvironment } from '../config/index.js';
import { Intake, type Place } from './intake.js';

describe('the intake of a worker with two sandboxes', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('begins with little more than it can run', () => {
    expect(limitAfter([])).toBe(4);
  });

  it('takes more while tasks hardly wait for a sandbox, up to its maximum', () => {
    expect(limitAfter([5, 5, 5])).toBe(7);
    expect(limitAfter(Array(200).fill(1))).toBe(64);
  });

  it('takes fewer when they wait long, down to what keeps the sandboxes busy', () => {
    expect(limitAfter([...Array(200).fill(1), 1000])).toBe(48);
    expect(limitAfter([...Array(200).fill(1), ...Array(20).fill(1000)])).toBe(4);
  });

  it('stays where it is when waits are neither short nor long', () => {
    expect(limitAfter([5, 100, 100])).toBe(5);
  });

  it('never takes more than its configured maximum', () => {
    expect(limitAfter([1, 1, 1], 1)).toBe(1);
  });

  it('takes another task for each that waits for an answer without a sandbox', () => {
    const intake = intakeOf(64);
    const limits: number[] = [];
    intake.onChange((limit) => limits.push(limit));
    const place = intake.enter(() => undefined);
    place.setParked(true);
    place.setParked(true);
    expect(intake.limit).toBe(5);
    place.setParked(false);
    place.setParked(true);
    place.leave();
    expect([intake.limit, limits]).toEqual([4, [5, 4, 5, 4]]);
  });

  it('returns the newest tasks that wait too long, and keeps what its sandboxes need next', () => {
    const intake = intakeOf(64);
    const returned: number[] = [];
    const places: Place[] = [];
    for (let index = 0; index < 10; index++) {
      const place: Place = intake.enter(() => {
        returned.push(index);
        place.leave();
      });
      places.push(place);
    }
    places[0].start();
    places[1].start();
    jest.advanceTimersByTime(1999);
    expect(returned).toEqual([]);
    jest.advanceTimersByTime(10);
    expect(returned).toEqual([9, 8, 7, 6, 5, 4]);
    expect(intake.limit).toBe(4);
    jest.advanceTimersByTime(60_000);
    expect(returned).toHaveLength(6);
  });
});

const intakeOf = (most: number): Intake =>
  new Intake(parseEnvironment({ WORKER_CONCURRENCY: String(most), SANDBOX_SLOTS: '2' }).queue);

function limitAfter(waits: number[], most = 64): number {
  const intake = intakeOf(most);
  let announced = intake.limit;
  intake.onChange((limit) => (announced = limit));
  for (const ms of waits) {
    const place = intake.enter(() => undefined);
    jest.advanceTimersByTime(ms);
    place.start();
    place.leave();
  }
  expect(announced).toBe(intake.limit);
  return announced;
}
