import type { AttemptEnd, AttemptMetering, StoredDocument, TaskError, TaskEvent } from '../tasks/index.js';

/** How one attempt ended, as its worker saw it. */
export type AttemptResult =
  | Completed
  | Failed
  /** The fault is the task's: its input is gone, its result exceeds a quota, or its deadline passed before the sandbox began. No other agent need try. */
  | { end: 'unrunnable'; error: TaskError }
  /** The task was cancelled, or another worker took it over. This worker has nothing left to settle. */
  | { end: 'superseded' }
  /** This process stops. Another worker may run the task. */
  | { end: 'stopped' }
  /** The task waited too long for a sandbox of this worker. It waits for its turn anew. */
  | { end: 'crowded' };

export interface Completed {
  end: 'completed';
  result: TaskResult;
  record: AttemptEnd & { metering: AttemptMetering };
  /** Event of the change to `running`, when the settlement has to write that change too. */
  through?: TaskEvent;
}

export interface Failed {
  end: 'failed';
  error: TaskError;
  /** Kind of the trap that ended the run, if one did. */
  trap?: string;
  record: AttemptEnd;
}

/** JSON text, or the document that holds it. `named`: the submitter asked for a document. */
export type TaskResult = { text: string } | { document: StoredDocument; named: boolean };
