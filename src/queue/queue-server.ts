/** Something that works, and that an operator should mend. */
export interface Caution {
  found: string;
  advice: string;
}

/** What the queue runs on: Redis, or the PostgreSQL that is there anyway. */
export interface QueueServer {
  /**
   * Makes ready what the queue needs, and checks that it may do all that it does. Cheap once it has succeeded.
   * @returns what works and should be mended all the same
   * @throws Refusal when only an operator can help; any other error passes by itself
   */
  prepare(): Promise<Caution[]>;

  /** @throws Error that says why entries cannot be written now */
  check(): Promise<void>;

  close(): Promise<void>;
}

export const QUEUE_SERVER = Symbol('QueueServer');
