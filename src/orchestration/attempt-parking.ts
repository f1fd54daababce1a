import { HostCallError, type Parking, TOO_MANY_PARKED } from '../host-calls/index.js';
import type { RunPlace } from '../execution/index.js';
import type { SubTasks, TaskStore, UnfinishedTask } from '../tasks/index.js';
import type { Place } from './intake.js';
import type { ParkingLot } from './parking-lot.js';
import { retryDuringOutage } from './retries.js';
import { inputRequired, leaseOf, resumed, type RunningAgent } from './settlement.js';

interface Waiter {
  task: UnfinishedTask;
  agent: RunningAgent;
  ordinal: number;
  store: Pick<TaskStore, 'transition'>;
  subTasks: Pick<SubTasks, 'park' | 'unpark'>;
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

/** How the task's row shows that its agent waits, and that it goes on. */
interface Writes {
  /** Resolves to false when the attempt no longer counts. */
  begin: () => Promise<boolean>;
  /** Safe to repeat. */
  resume: () => Promise<boolean>;
}

/** How one attempt waits for its submitter, or for a sub-task: the task's status, its sandbox slot and its place in the worker. */
export class AttemptParking {
  /** Whether the attempt waits, or waited when it ended. */
  isParked = false;

  constructor(private readonly waiter: Waiter) {}

  /** @param place the slot of the run */
  of(place: RunPlace): Parking {
    const { task, agent, ordinal, store, subTasks } = this.waiter;
    const attempt = { taskId: task.id, attempt: ordinal };
    return {
      whileAsking: (question, wait) =>
        this.park(place, wait, {
          begin: () => store.transition(inputRequired(task, agent, ordinal, question)),
          resume: () => store.transition(resumed(task, agent, ordinal)),
        }),
      whileWaiting: (mostMs, wait) =>
        this.park(place, wait, {
          begin: () => subTasks.park(attempt, mostMs + leaseOf(task)),
          resume: () => subTasks.unpark(attempt, leaseOf(task)),
        }),
    };
  }

  private async park<T>(place: RunPlace, wait: () => Promise<T>, writes: Writes): Promise<T> {
    const { task, agent, lot, intake } = this.waiter;
    const leave = lot.enter([task.userId, agent.ownerId]);
    if (typeof leave === 'string') throw tooManyParked(leave);
    try {
      await this.begin(writes);
      this.isParked = true;
      place.park();
      intake.setParked(true);
      this.waiter.onParked();
      return await this.waitAndResume(place, wait, writes);
    } finally {
      leave();
    }
  }

  private async waitAndResume<T>(place: RunPlace, wait: () => Promise<T>, writes: Writes): Promise<T> {
    const { signal, intake } = this.waiter;
    try {
      return await wait();
    } finally {
      // A run that was killed has nothing to go on with.
      if (!signal.aborted) {
        await place.unpark();
        intake.setParked(false);
        await this.resume(writes);
        this.isParked = false;
      }
    }
  }

  private async begin(writes: Writes): Promise<void> {
    try {
      if ((await this.waiter.entered()) && (await writes.begin())) return;
    } catch (error) {
      // The change may have been written although its answer was lost. The agent goes on, so the task must be running.
      await this.resume(writes);
      throw error;
    }
    throw new HostCallError('CALL_ENDED', 'The attempt ended.');
  }

  /** Writes nothing when an earlier try was written, or when the attempt is over: its run is then killed, and settles nothing. */
  private async resume({ resume }: Writes): Promise<void> {
    await retryDuringOutage(resume, this.waiter.signal);
  }
}

const tooManyParked = (limit: 'worker' | 'account'): HostCallError =>
  new HostCallError(
    TOO_MANY_PARKED,
    limit === 'worker'
      ? 'As many agents wait for answers as the server allows. Go on without an answer, or ask again later.'
      : 'As many agents of one account wait for answers as the server allows. Go on without an answer, or ask again later.',
  );
