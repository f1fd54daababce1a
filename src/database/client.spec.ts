import { once } from 'node:events';
import { createServer, type Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { DatabaseClient } from './client.js';
import { splitOptions } from './session-settings.js';

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
    await new DatabaseClient({ connectionString }).connect().catch(() => undefined);
    expect(asking.mock.calls).toEqual([[true, 10_000]]);
    asking.mockRestore();
  });

  it('whose session ends in the moment it opens is not handed out, and the process goes on', async () => {
    const pool = new pg.Pool({ connectionString, max: 1, Client: DatabaseClient });
    pool.on('error', () => undefined);
    await expect(pool.connect()).rejects.toThrow('not queryable');
    await pool.end();
  });

  it.each([
    ['?options=-c%20geqo%3Doff%20--work_mem%3D8MB', undefined],
    ['?options=endpoint%3Dep-one%20-c%20geqo%3Doff&statement_timeout=5&lock_timeout=5', 'endpoint=ep-one'],
    ['', undefined],
  ])('puts no setting into its start packet, which poolers refuse: %s', (query, options) => {
    const client = new DatabaseClient({ connectionString: connectionString + query, application_name: 'a' });
    const packet = (client as unknown as { getStartupConf(): object }).getStartupConf();
    expect(packet).toEqual({ user: 'a', database: 'c', application_name: 'a', ...(options && { options }) });
  });
});

describe('options of an address', () => {
  it.each([
    ['-c geqo=off', { geqo: 'off' }, ''],
    ['-cgeqo=off  --work-mem=8MB', { geqo: 'off', work_mem: '8MB' }, ''],
    ['-c search_path=one,\\ two -c DateStyle=SQL', { search_path: 'one, two', datestyle: 'SQL' }, ''],
    ['endpoint=ep-one -c a.b=c=d', { 'a.b': 'c=d' }, 'endpoint=ep-one'],
    ['-B 5 -c', {}, '-B 5 -c'],
    ['', {}, ''],
  ])('are split into settings and what only the start packet can carry: %s', (options, settings, rest) => {
    expect(splitOptions(options)).toEqual({ settings, rest });
  });
});
