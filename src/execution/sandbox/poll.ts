import { RIGHT, type Descriptor, type Descriptors } from './descriptors.js';
import { ERRNO, HostError, type Errno } from './errno.js';
import type { GuestMemory } from './guest-memory.js';
import type { HostClock } from './host-clock.js';

/** Where the agent's subscriptions are and its events belong; addresses in its memory. */
export interface PollCall {
  input: number;
  output: number;
  count: number;
  /** Receives the number of events. */
  result: number;
}

/** What of a run's world `poll_oneoff` looks at. */
export interface PollHost {
  memory: GuestMemory;
  clock: HostClock;
  descriptors: Descriptors;
  /** Bytes that can be read from or written to a stream at once. */
  readyBytes: (stream: Descriptor['stream']) => number;
}

const MAX_SUBSCRIPTIONS = 1024;
const SUBSCRIPTION_BYTES = 48;
const EVENT_BYTES = 32;
const TYPE = { clock: 0, read: 1, write: 2 } as const;
const ABSOLUTE_TIME = 1;

interface Subscription extends Ready {
  userdata: bigint;
  type: number;
  errno: Errno;
}

interface Ready {
  /** Until it occurs, ms; 0 when it has occurred. */
  waitMs: number;
  /** What can be read or written then. */
  readyBytes: number;
}

/**
 * `poll_oneoff`: waits for the first of the subscribed events and reports all that have occurred by then. Standard
 * streams are always ready (the whole input is there, output is only buffered), so that only clocks ever wait.
 */
export function pollOneoff(host: PollHost, call: PollCall): void {
  const { memory, clock } = host;
  const count = call.count >>> 0;
  if (count === 0 || count > MAX_SUBSCRIPTIONS) throw new HostError(ERRNO.inval);
  const subscriptions = Array.from({ length: count }, (_, index) =>
    readSubscription(host, (call.input >>> 0) + index * SUBSCRIPTION_BYTES),
  );
  const waitMs = Math.min(...subscriptions.map((subscription) => subscription.waitMs));
  if (waitMs > 0) clock.sleep(waitMs);
  const occurred = subscriptions.filter((subscription) => subscription.waitMs <= waitMs);
  for (const [index, { userdata, errno, type, readyBytes }] of occurred.entries()) {
    const event = (call.output >>> 0) + index * EVENT_BYTES;
    memory.bytes(event, EVENT_BYTES).fill(0);
    memory.setU64(event, userdata);
    memory.setU16(event + 8, errno);
    memory.setU8(event + 10, type);
    memory.setU64(event + 16, BigInt(readyBytes));
  }
  memory.setU32(call.result, occurred.length);
}

function readSubscription(host: PollHost, at: number): Subscription {
  const { memory } = host;
  const userdata = memory.u64(at);
  const type = memory.bytes(at + 8, 1)[0];
  try {
    const event = type === TYPE.clock ? untilTime(host, at) : whenReady(host, type, at);
    return { userdata, type, errno: ERRNO.success, ...event };
  } catch (error) {
    if (error instanceof HostError && error.errno !== ERRNO.fault) {
      return { userdata, type, errno: error.errno, waitMs: 0, readyBytes: 0 };
    }
    throw error;
  }
}

function untilTime({ memory, clock }: PollHost, at: number): Ready {
  const now = clock.wakeable(memory.u32(at + 16));
  const timeout = memory.u64(at + 24);
  const nanoseconds = memory.u16(at + 40) & ABSOLUTE_TIME ? timeout - now : timeout;
  return { waitMs: Math.max(0, Number(nanoseconds) / 1e6), readyBytes: 0 };
}

function whenReady({ memory, descriptors, readyBytes }: PollHost, type: number, at: number): Ready {
  if (type !== TYPE.read && type !== TYPE.write) throw new HostError(ERRNO.inval);
  const use = type === TYPE.read ? RIGHT.read : RIGHT.write;
  const { stream } = descriptors.get(memory.u32(at + 16), RIGHT.poll | use);
  return { waitMs: 0, readyBytes: readyBytes(stream) };
}
