import type { IQueueBackend } from 'bullmq';

/** A refusal comes sooner than this; a wait for entries that goes on means that the backend accepts it, ms. */
const ACCEPTED_MS = 1000;

/** What BullMQ's worker fetches entries with. */
type Fetches = Pick<IQueueBackend, 'moveToActive' | 'waitForJob' | 'moveStalledJobsToWait'>;

interface Watcher {
  /** @param trouble why the last fetch failed; null once the backend serves again */
  onTrouble(trouble: Error | null): void;
  /** A look for entries of lost workers failed. */
  onFailedLook(error: Error): void;
  /** @param failures how many there were in a row */
  backOff(failures: number): Promise<void>;
}

/**
 * Makes BullMQ's worker survive a backend that refuses it. The worker itself fetches again at once after an error that is
 * not about the connection, which starves the event loop. And it looks for entries of lost workers until one look fails,
 * and then never again.
 */
export function steady(backend: Fetches, { onTrouble, onFailedLook, backOff }: Watcher): void {
  const fetch = backend.moveToActive.bind(backend);
  const wait = backend.waitForJob.bind(backend);
  const lookForStalled = backend.moveStalledJobsToWait.bind(backend);
  let failures = 0;
  const succeeded = (): void => {
    failures = 0;
    onTrouble(null);
  };
  const failed = async (error: Error): Promise<void> => {
    onTrouble(error);
    await backOff(++failures);
  };

  backend.moveToActive = async (...args) => {
    try {
      const fetched = await fetch(...args);
      succeeded();
      return fetched;
    } catch (error) {
      await failed(error as Error);
      throw error;
    }
  };
  backend.waitForJob = async (...args) => {
    const accepted = setTimeout(succeeded, ACCEPTED_MS).unref();
    try {
      return await wait(...args);
    } catch (error) {
      await failed(error as Error);
      throw error;
    } finally {
      clearTimeout(accepted);
    }
  };
  // The worker looks again after its usual interval.
  backend.moveStalledJobsToWait = () =>
    lookForStalled().catch((error: Error) => {
      onFailedLook(error);
      return [];
    });
}
