import { once } from 'node:events';
import { createServer, type Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { DatabaseClient } from './client.js';

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5, type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
};
const AUTHENTICATED = message('R', Buffer.alloc(4));
const READY = message('Z', Buffer.from('I'));
const SHUTDOWN = message('E', Buffer.from('SFATAL\0C57P01\0Mterminating connection\0\0'));

describe('a database client', () => {
  let server: Server;
  let connectionString: string;

  beforeEach(async () => {
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      // In one packet, as when the server dies in this moment.
      socket.once('data', () => socket.end(Buffer.concat([AUTHENTICATED, READY, SHUTDOWN])));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    connectionString = `postgresql://a:b@127.0.0.1:${(server.address() as { port: number }).port}/c`;
  });

  afterEach(() => new Promise((resolve) => server.close(resolve)));

  it('gives up a server that lets it wait at the door', async () => {
    const { port } = new URL(connectionString);
    server.removeAllListeners('connection').on('connection', (socket) => socket.on('error', () => undefined));
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    try {
      const arrived = once(server, 'connection');
      // As TypeORM names it.
      const connecting = new DatabaseClient({
        host: '127.0.0.1',
        port: Number(port),
        connectionTimeoutMillis: undefined,
      })
        .connect()
        .catch(String);
      await arrived;
      jest.advanceTimersByTime(10_000);
      expect(await connecting).toContain('timeout expired');
    } finally {
      jest.useRealTimers();
    }
  });

  it('has its kernel ask after a server that has been silent for ten seconds', async () => {
    const asking = jest.spyOn(Socket.prototype, 'setKeepAlive');
    await new DatabaseClient({ connectionString }).connect();
    expect(asking.mock.calls).toEqual([[true, 10_000]]);
    asking.mockRestore();
  });

  it('whose session ends in the moment it opens rejects its queries, and the process goes on', async () => {
    const pool = new pg.Pool({ connectionString, max: 1, Client: DatabaseClient });
    pool.on('error', () => undefined);
    const client = await pool.connect();
    await expect(client.query('SELECT 1')).rejects.toThrow('not queryable');
    client.release(true);
    await pool.end();
  });
});
