import { EventSocket, sharedClock } from './event-socket.js';

/**
 * A process full of listeners, told over IPC what to do: the server that is measured, and whoever commits the events, must
 * not wait for them.
 */
export type ClientCommand =
  | { type: 'open'; url: string; token: string; count: number }
  | { type: 'await'; seq: number; count: number }
  | { type: 'close' };

/** When each socket got the event, ms on the shared clock. */
export type Arrivals = number[];

/** Handshakes under way at a time. */
const AT_ONCE = 50;
const PER_ADDRESS = 1000;
const STALLED_MS = 60_000;

const sockets: EventSocket[] = [];
const arrivals = new Map<number, number[]>();
let lost = '';
let heard = (): void => undefined;

const answer = (work: Promise<unknown>): void =>
  void work.then(
    (result) => process.send?.({ type: 'answer', answer: result ?? null }),
    (error: Error) => process.send?.({ type: 'answer', error: error.message }),
  );
process.on('message', (command: ClientCommand) => {
  if (command.type === 'open') answer(open(command.url, command.token, command.count));
  if (command.type === 'await') answer(awaitEvent(command.seq, command.count));
  if (command.type === 'close') answer(close());
});
process.once('SIGTERM', () => process.exit(0));
process.once('disconnect', () => process.exit(0));
process.send?.({ type: 'ready' });

/** @returns connections made per second */
async function open(url: string, token: string, count: number): Promise<number> {
  const start = performance.now();
  let begun = 0;
  const some = async (): Promise<void> => {
    while (begun < count) {
      // Addresses of the machine itself, a thousand sockets each.
      const address = `127.0.1.${1 + Math.floor(begun++ / PER_ADDRESS)}`;
      sockets.push(await EventSocket.open(url, token, address, note, (reason) => (lost = reason)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, some));
  return (count / (performance.now() - start)) * 1000;
}

function note(seq: number): void {
  const at = sharedClock();
  const list = arrivals.get(seq);
  if (list) list.push(at);
  else arrivals.set(seq, [at]);
  heard();
}

async function awaitEvent(seq: number, count: number): Promise<Arrivals> {
  const late = setTimeout(() => {
    lost ||= `${arrivals.get(seq)?.length ?? 0} of ${count} sockets heard of event ${seq}`;
    heard();
  }, STALLED_MS);
  while ((arrivals.get(seq)?.length ?? 0) < count) {
    if (lost) throw new Error(lost);
    await new Promise<void>((resolve) => (heard = resolve));
  }
  clearTimeout(late);
  const times = arrivals.get(seq)!;
  arrivals.clear();
  return times;
}

async function close(): Promise<void> {
  for (const socket of sockets.splice(0)) socket.close();
}
