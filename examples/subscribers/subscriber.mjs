/**
 * Prints everything that happens to your tasks and agents, one JSON line an event, and never misses one: over Socket.IO
 * (`npm install socket.io-client`).
 *
 *     API_KEY=zsk_… node subscriber.mjs http://localhost:8080 [seq of the last event you have]
 *
 * The key needs the scope `tasks:read`. Resuming is one line: on every (re)connection the handshake says after which event to go on.
 */
import { io } from 'socket.io-client';

const [url = 'http://localhost:8080', after = ''] = process.argv.slice(2);
let lastSeq = after === '' ? undefined : Number(after);

const socket = io(url, {
  transports: ['websocket'],
  auth: (handshake) => handshake({ api_key: process.env.API_KEY, after_seq: lastSeq }),
});

socket.on('event', (event) => {
  lastSeq = event.seq;
  console.log(JSON.stringify(event));
});

// We read too slowly, and the server has let go of us: a new connection resumes after `lastSeq`.
socket.on('lagging', () => socket.disconnect().connect());

// Our access has ended, and Socket.IO does not come back from this by itself.
socket.on('closing', ({ code, message }) => {
  console.error(`${code}: ${message}`);
  process.exitCode = 1;
});

socket.on('connect_error', (error) => {
  // Socket.IO tries again by itself when the server is away, but not when it has refused us.
  console.error(`${error.data?.code ?? 'AWAY'}: ${error.message}`);
  if (error.data) process.exit(1);
});
