/**
 * Prints everything that happens to your tasks and agents, one JSON line an event, and never misses one: over Socket.IO
 * (`npm install socket.io-client`). Without a seq it begins with the oldest that is kept.
 *
 *     API_KEY=zsk_… node subscriber.mjs http://localhost:8080 [seq of the last event you have]
 *
 * The key needs the scope `tasks:read`. Resuming is one line: on every (re)connection the handshake says after which event to go on.
 */
import { io } from 'socket.io-client';

const [url = 'http://localhost:8080', after = '0'] = process.argv.slice(2);
let lastSeq = Number(after);
const PASSING = new Set(['RATE_LIMITED', 'TOO_MANY_CONNECTIONS']);

const socket = io(url, {
  transports: ['websocket'],
  auth: (handshake) => handshake({ api_key: process.env.API_KEY, after_seq: lastSeq }),
});

socket.on('event', (event) => {
  lastSeq = event.seq;
  console.log(JSON.stringify(event));
});

// We were away for longer than events are kept: what we follow has to be read anew.
socket.on('gap', (gap) => console.error(JSON.stringify(gap)));

// We read too slowly, and the server has let go of us: a new connection resumes after `lastSeq`.
socket.on('lagging', () => socket.disconnect().connect());

// Our access has ended, and Socket.IO does not come back from this by itself; or others took the last place before us.
socket.on('closing', ({ code, message }) => {
  console.error(`${code}: ${message}`);
  if (PASSING.has(code)) setTimeout(() => socket.connect(), 10_000);
  else process.exitCode = 1;
});

socket.on('connect_error', (error) => {
  console.error(`${error.data?.code ?? 'AWAY'}: ${error.message}`);
  // Socket.IO tries again by itself when the server is away, but not when it has refused us.
  if (PASSING.has(error.data?.code)) setTimeout(() => socket.connect(), 10_000);
  else if (error.data) process.exit(1);
});
