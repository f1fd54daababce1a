import { Redis } from 'ioredis';

/** BullMQ refuses older ones, and parts of it need this. */
export const OLDEST_REDIS = '6.2.0';

/**
 * A connection for BullMQ, which asks each for `INFO` and is of no use for ever where that is refused. Users without the
 * right to `INFO` (it is in `@dangerous`) get an answer that fits every Redis we accept.
 */
export class QueueRedis extends Redis {
  override info(...args: unknown[]): Promise<string> {
    const callback = args.findLast((arg) => typeof arg === 'function') as Callback | undefined;
    const answer = super.info().then(
      // We warn of the policy ourselves; BullMQ would write its own line for each connection.
      (text) => text.replace(/^maxmemory_policy:.*\r?\n/m, ''),
      (error: Error) => (isNotPermitted(error) ? `redis_version:${OLDEST_REDIS}` : Promise.reject(error)),
    );
    if (callback) {
      answer.then(
        (text) => callback(null, text),
        (error: Error) => callback(error),
      );
    }
    return answer;
  }
}

type Callback = (error: Error | null, text?: string) => void;

export const isNotPermitted = ({ message }: Error): boolean => message.startsWith('NOPERM');
