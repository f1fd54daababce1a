import { AppError } from '../common/app-error.js';
import { histogram, SLOW_SECONDS } from '../observability/index.js';
import type { BlobStore } from './blob-store.js';

const operations = histogram(
  'storage_operation_duration_seconds',
  'Time of one operation on a store; of `get` until the first byte can be read.',
  ['driver', 'operation', 'outcome'],
  SLOW_SECONDS,
);

const MEASURED = ['put', 'read', 'get', 'stat', 'delete'] as const;

/** Wraps a store so that each operation is measured. */
export function measured(driver: string, store: BlobStore): BlobStore {
  const timed = Object.create(store) as BlobStore;
  for (const operation of MEASURED) {
    // Failures alert by their increase. Prometheus sees an increase only of a series that already exists.
    operations.zero({ driver, operation, outcome: 'error' });
    const work = store[operation].bind(store) as (...args: unknown[]) => Promise<unknown>;
    const timedWork = async (...args: unknown[]): Promise<unknown> => {
      const stopClock = operations.startTimer({ driver, operation });
      try {
        const result = await work(...args);
        stopClock({ outcome: 'ok' });
        return result;
      } catch (error) {
        stopClock({ outcome: error instanceof AppError && error.kind === 'not_found' ? 'not_found' : 'error' });
        throw error;
      }
    };
    Object.defineProperty(timed, operation, { value: timedWork });
  }
  return timed;
}
