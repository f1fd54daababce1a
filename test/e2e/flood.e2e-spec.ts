import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeAll, afterAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { until } from '../support/until.js';

const ALIVE = 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n';
const GET = 'GET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\n\r\n';

/** The whole of 127.0.0.0/8 is this machine: a flood and its bystander have addresses of their own. */
describe('a flood', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  const wires: Wire[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    const env = {
      DATABASE_URL: database.url,
      RATE_LIMIT_ENABLED: 'true',
      RATE_LIMIT_FLOOD: '20',
      RATE_LIMIT_REFUSED: '14',
      MAX_CONNECTIONS_PER_ADDRESS: '5',
      MAX_CONNECTIONS: '9',
      MAX_EVENT_LOOP_LAG_MS: '50',
    };
    server = await startServer({ env, roles: ['api'] });
  });

  afterEach(async () => {
    for (const wire of wires.splice(0)) wire.socket.destroy();
    // Its connections are seen to be gone.
    await pause(100);
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  const open = (address: string): Wire => {
    const wire = new Wire(Number(new URL(server.url).port), address);
    wires.push(wire);
    return wire;
  };

  it('of requests is refused to its address, then cut, and let in again when it is over; others notice nothing', async () => {
    let attempts = 0;
    await until('exactly as many as are allowed in a second are answered', async () => {
      const address = `127.0.2.${++attempts}`;
      const flood = Array.from({ length: 5 }, () => open(address));
      for (const wire of flood) wire.send(ALIVE.repeat(5));
      // A refusal closes its connection.
      await Promise.all(flood.map((wire) => wire.heard(5)));
      const statuses = flood.flatMap((wire) => wire.statuses);
      for (const { socket } of flood) socket.destroy();
      const refused = flood.filter((wire) => wire.statuses.includes(429));
      expect(refused.map((wire) => wire.statuses.at(-1))).toEqual(refused.map(() => 429));
      for (const { text } of refused) expect(text).toContain('"code":"RATE_LIMITED"');
      // Else a second has ended between the first and the last of them.
      return refused.length > 0 && statuses.filter((status) => status === 200).length === 20;
    });

    await until('new connections are cut as well', async () => {
      const more = Array.from({ length: 4 }, () => open('127.0.0.2'));
      for (const wire of more) wire.send(ALIVE.repeat(5));
      await Promise.all(more.map((wire) => wire.heard(5)));
      const next = open('127.0.0.2');
      next.send(ALIVE);
      await next.heard(1);
      for (const { socket } of more) socket.destroy();
      return next.text === '';
    });
    const bystander = open('127.0.0.3');
    bystander.send(ALIVE);
    await until('somebody else is answered', () => bystander.statuses[0] === 200);
    await until('it is over', async () => {
      const again = open('127.0.0.2');
      again.send(ALIVE);
      await again.heard(1);
      return again.statuses[0] === 200;
    });
    const soon = open('127.0.0.2');
    soon.send(ALIVE.repeat(5));
    await soon.closed;
    expect(soon.statuses.filter((status) => status === 200).length).toBeLessThan(3);
  });

  it('on one connection is worked on one request at a time, and cuts its address off when too many wait', async () => {
    const some = open('127.0.0.6');
    some.send(ALIVE + GET + ALIVE);
    await some.heard(3);
    expect(some.statuses).toEqual([200, 401, 200]);
    const flood = open('127.0.0.6');
    flood.send(ALIVE.repeat(10));
    await flood.closed;
    const next = open('127.0.0.6');
    await next.closed;
    expect(next.text).toBe('');
  });

  it('of requests that have to be refused cuts its address off, though there are not too many of them', async () => {
    const flood = open('127.0.0.5');
    // More than one second's worth: they are counted by the second, which may turn while they come.
    for (let sent = 0; sent < 5000 && !flood.socket.closed; sent++) {
      flood.send(GET);
      await flood.heard(sent + 1);
    }
    await flood.closed;
    expect(flood.statuses).toEqual(flood.statuses.map(() => 401));
    const next = open('127.0.0.5');
    await next.closed;
    expect(next.text).toBe('');
  });

  it.each([
    ['an expectation nobody knows', '127.0.0.8', 'GET /api/v1/auth/me HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n'],
    ['a target without a path', '127.0.0.9', 'DELETE http:// HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a transport there is not', '127.0.0.10', 'GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n'],
    [
      'another protocol in mind',
      '127.0.0.11',
      'GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
    ],
  ])('of requests with %s is one like any other', async (_, address, request) => {
    const flood = open(address);
    for (let sent = 0; sent < 5000 && !flood.socket.closed; sent++) {
      flood.send(request);
      await flood.heard(sent + 1);
    }
    expect(flood.socket.closed).toBe(true);
    expect(flood.text.match(/^x-content-type-options: nosniff/gim)?.length).toBe(flood.statuses.length);
    const next = open(address);
    await next.closed;
    expect(next.text).toBe('');
  });

  it('of connections ends at what one address may hold, and at what the process may', async () => {
    const held = Array.from({ length: 5 }, () => open('127.0.0.7'));
    await Promise.all(held.map((wire) => wire.opened));
    await open('127.0.0.7').closed;
    const others = Array.from({ length: 4 }, () => open('127.0.0.3'));
    for (const wire of others) {
      wire.send(GET);
      await until('the other address is answered', () => wire.statuses[0] === 401);
    }
    await open('127.0.0.4').closed;
    held[0].socket.destroy();
    await until('there is room again', async () => {
      const next = open('127.0.0.4');
      next.send(GET);
      await next.heard(1);
      return next.statuses[0] === 401;
    });
  });

  it('that keeps the process busy is turned away while it lasts, health excepted, without an error in the log', async () => {
    const ask = async (path: string): Promise<Response> =>
      fetch(`${server.url}${path}`, { headers: { connection: 'close' } });
    const busy = new AbortController();
    const computing = compute(server, busy.signal);
    try {
      const refused = await until('a request is turned away', async () => {
        // Connections that were idle while it stood still are closed meanwhile.
        const answer = await ask('/api/v1/auth/me').catch(() => undefined);
        return answer?.status === 503 && answer;
      });
      expect(await refused.json()).toMatchObject({ code: 'OVERLOADED' });
      expect(refused.headers.get('retry-after')).toBe('2');
      expect(refused.headers.get('x-content-type-options')).toBe('nosniff');
      expect((await ask('/health/live')).status).toBe(200);
    } finally {
      busy.abort();
      await computing;
    }
    await until('it is over', async () => (await ask('/api/v1/auth/me')).status === 401);
    expect(server.stdout()).not.toContain('/api/v1/auth/me failed');
  });
});

/** Has the process stand still for most of the time: nothing runs in one that is stopped, just as in one that computes. */
async function compute(server: ServerProcess, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await server.kill('SIGSTOP');
    await pause(400);
    await server.kill('SIGCONT');
    await pause(50);
  }
}

/** A connection that sends what it likes, and reads. */
class Wire {
  readonly socket: Socket;
  readonly opened: Promise<void>;
  readonly closed: Promise<void>;
  text = '';

  constructor(port: number, localAddress: string) {
    this.socket = connect({ port, host: '127.0.0.1', localAddress });
    this.opened = new Promise((resolve) => this.socket.once('connect', resolve));
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.socket.on('error', () => undefined);
    this.socket.on('data', (chunk: Buffer) => (this.text += chunk.toString()));
  }

  /** Resolves once it has had so many answers, or was closed. */
  heard(answers: number): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!this.socket.closed && this.statuses.length < answers) return;
        this.socket.off('data', look).off('close', look);
        resolve();
      };
      this.socket.on('data', look).on('close', look);
      look();
    });
  }

  get statuses(): number[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
  }

  send(text: string): void {
    this.socket.write(text);
  }
}
