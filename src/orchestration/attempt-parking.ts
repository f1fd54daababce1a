import { HostCallError, type Parking, TOO_MANY_PARKED } from '../host-calls/index.js';
import type { RunPlace } from '../execution/index.js';
import type { AskedQuestion, TaskStore, UnfinishedTask } from '../tasks/index.js';
import type { Place } from './intake.js';
import type { ParkingLot } from './parking-lot.js';
import { retryDuringOutage } from './retries.js';
import { inputRequired, resumed, type RunningAgent } from './settlement.js';

interface Waiter {
  task: UnfinishedTask;
  agent: RunningAgent;
  ordinal: number;
  store: Pick<TaskStore, 'transition'>;
  lot: ParkingLot;
  /** The task's place in this worker's intake. */
  intake: Pick<Place, 'setParked'>;
  /** Whether the change to `running` was written, once it is known. */
  entered: () => Promise<boolean>;
  /** Called when the attempt begins to wait. */
  onParked: () => void;
  /** Aborted when the run is killed. */
  signal: AbortSignal;
}

/** How one attempt waits for its submitter: the task's status, its sandbox slot and its place in the worker. */
export class AttemptParking {
  /** Whether the attempt waits, or waited when it ended. */
  isParked = false;

  constructor(private readonly waiter: Waiter) {}

  /** @param place the slot of the run */
  of(place: RunPlace): Parking {
    return { whileParked: (question, wait) => this.park(place, question, wait) };
  }

  private async park<T>(place: RunPlace, question: AskedQuestion, wait: () => Promise<T>): Promise<T> {
    const { task, agent, lot, intake } = this.waiter;
    const leave = lot.enter([task.userId, agent.ownerId]);
    if (typeof leave === 'string') throw tooManyParked(leave);
    try {
      await this.begin(question);
      this.isParked = true;
      place.park();
      intake.setParked(true);
      this.waiter.onParked();
      return await this.waitAndResume(place, wait);
    } finally {
      leave();
    }
  }

  private async waitAndResume<T>(place: RunPlace, wait: () => Promise<T>): Promise<T> {
    const { signal, intake } = this.waiter;
    try {
      return await wait();
    } finally {
      // A run that was killed has nothing to go on with.
      if (!signal.aborted) {
        await place.unpark();
        intake.setParked(false);
        await this.resume();
        this.isParked = false;
      }
    }
  }

  private async begin(question: AskedQuestion): Promise<void> {
    const { task, agent, ordinal, store, entered } = this.waiter;
    const ask = () => store.transition(inputRequired(task, agent, ordinal, question));
    try {
      if ((await entered()) && (await ask())) return;
    } catch (error) {
      // The change may have been written although its answer was lost. The agent goes on, so the task must be running.
      await this.resume();
      throw error;
    }
    throw new HostCallError('CALL_ENDED', 'The attempt ended.');
  }

  /** Writes nothing when an earlier try was written, or when the attempt is over: its run is then killed, and settles nothing. */
  private async resume(): Promise<void> {
    const { task, agent, ordinal, store, signal } = this.waiter;
    await retryDuringOutage(() => store.transition(resumed(task, agent, ordinal)), signal);
  }
}

const tooManyParked = (limit: 'worker' | 'account'): HostCallError =>
  new HostCallError(
    TOO_MANY_PARKED,
    limit === 'worker'
      ? 'As many agents wait for answers as the server allows. Go on without an answer, or ask again later.'
      : 'As many agents of one account wait for answers as the server allows. Go on without an answer, or ask again later.',
  );
