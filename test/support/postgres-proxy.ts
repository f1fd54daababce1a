import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** Stands between a server and its PostgreSQL, can stop time at a statement, and can be away. */
export interface PostgresProxy {
  /** The database, through the proxy. */
  readonly url: string;
  /**
   * From now on, holds the first statement that contains the last of `texts` on a connection that has sent the others
   * before, or (`answer`) lets PostgreSQL have it and holds what it answers. That connection stays silent from then on.
   * @returns resolves once it is held
   */
  hold(what: 'statement' | 'answer', ...texts: string[]): Promise<void>;
  /** Breaks all connections and every new one, until `comeBack`. */
  goAway(): void;
  comeBack(): void;
  close(): Promise<void>;
}

/** @param databaseUrl without TLS, so that statements can be read as they pass */
export async function startPostgresProxy(databaseUrl: string): Promise<PostgresProxy> {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  let trap: Trap | undefined;
  let away = false;
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const server = createServer((client) => {
    client.on('error', () => undefined);
    if (away) return void client.destroy();
    const database = connect(Number(target.port), target.hostname);
    let seen = 0;
    let silent = false;
    client.on('data', (chunk) => {
      if (silent) return;
      if (trap && chunk.toString('latin1').includes(trap.texts[seen]) && ++seen === trap.texts.length) {
        silent = true;
        if (trap.what === 'answer') database.write(chunk);
        trap.held(trap.what === 'answer' ? once(database, 'data') : undefined);
        trap = undefined;
      } else {
        database.write(chunk);
      }
    });
    database.on('data', (chunk) => void (silent || client.write(chunk)));
    for (const [socket, other] of [
      [client, database],
      [database, client],
    ]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    hold: (what, ...texts) => new Promise((resolve) => (trap = { what, texts, held: (it) => resolve(it as never) })),
    goAway() {
      away = true;
      breakAll();
    },
    comeBack() {
      away = false;
    },
    async close() {
      server.close();
      breakAll();
      await once(server, 'close');
    },
  };
}

interface Trap {
  what: 'statement' | 'answer';
  texts: string[];
  held(answered: Promise<unknown> | undefined): void;
}
