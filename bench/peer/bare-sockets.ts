import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { sharedClock } from '../support/event-socket.js';

/**
 * The peer of the feed's sockets: Socket.IO as it comes, WebSocket alone, which lets everybody in and keeps nothing. Told
 * over IPC to send everybody an event, it answers when it began to.
 */
export type BareSocketsCommand = { type: 'emit'; event: { seq: number } };

const http = createServer();
const io = new Server(http, { transports: ['websocket'], serveClient: false });
process.on('message', (command: BareSocketsCommand | { type: 'memory' }) => {
  if (command.type !== 'emit') return;
  const at = sharedClock();
  io.emit('event', command.event);
  process.send?.({ type: 'answer', answer: at });
});
process.once('SIGTERM', () => process.exit(0));
process.once('disconnect', () => process.exit(0));
http.listen(0, '127.0.0.1', () => {
  process.send?.({ type: 'listening', url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
});
