import { fileURLToPath } from 'node:url';
import { api, expectStatus } from '../../test/support/client.js';
import { Sql } from '../../src/database/index.js';
import { EventLog, type EventStream } from '../../src/feed/index.js';
import { PostgresEventStream } from '../../src/feed/drivers/postgres-event-stream.js';
import { RedisEventStream } from '../../src/feed/drivers/redis-event-stream.js';
import type { Bench, Report } from '../bench.js';
import type { BareSocketsCommand } from '../peer/bare-sockets.js';
import { type Broadcaster, Crowd, type Heard } from '../support/crowd.js';
import { sharedClock } from '../support/event-socket.js';
import { type Installation, startInstallation } from '../support/installation.js';
import { MEMORY_PROBE, type Process, startProcess } from '../support/servers.js';
import type { Backend } from '../support/services.js';
import type { Figure } from '../support/statistics.js';

const file = (name: string): string => fileURLToPath(new URL(`../${name}.js`, import.meta.url));
/** Sockets of one process, events they get in one round, and what is asked of the p99. */
const CROWDS: { sockets: number; events: number; below?: number }[] = [
  { sockets: 1, events: 100, below: 10 },
  { sockets: 1000, events: 20, below: 10 },
  { sockets: 10_000, events: 5 },
];

/**
 * The feed on its way to sockets. This process commits an event, as a worker would. A notification takes it to a process
 * with only the API; a third process has the sockets. A latency is from the commit to the moment a socket has read the
 * event. The peer is a bare Socket.IO server that sends the same bytes: its latency begins when it starts to send.
 */
export async function gateway(bench: Bench, backend: Backend): Promise<Report> {
  const installation = await startInstallation(bench, {
    backend,
    processes: ['api'],
    env: {
      GATEWAY_CONNECTIONS_PER_USER: '20000',
      GATEWAY_CONNECTIONS_PER_ADDRESS: '20000',
      MAX_CONNECTIONS_PER_ADDRESS: '20000',
    },
  });
  // On PostgreSQL only the notification differs, so the largest crowd would measure the same thing again.
  const figures = await crowds(bench, backend, installation, backend === 'redis' ? CROWDS : CROWDS.slice(0, 2));
  await installation.stop();
  return { figures, costs: [] };
}

async function crowds(
  bench: Bench,
  backend: Backend,
  installation: Installation,
  sizes: typeof CROWDS,
): Promise<Figure[]> {
  const author = await Author.open(installation);
  bench.onEnd(() => author.close());
  const peer = await bareSockets();
  bench.onEnd(peer.stop);
  const { url, token, memory } = installation;
  const ours = await Crowd.open(bench, { url, token, memory, emit: () => author.commit() });
  const bare = await Crowd.open(bench, peer);
  const about = { suite: 'gateway', backend } as const;
  const figures: Figure[] = [];
  let held = 1;
  for (const { sockets, events, below } of sizes) {
    if (sockets > held) {
      const rates = { ours: [await ours.grow(sockets)], peer: [await bare.grow(sockets)] };
      if (sockets - held > 1000) {
        const memory = { ours: [await ours.memoryOfEach()], peer: [await bare.memoryOfEach()] };
        const [connections, each] = [`connections, ${sockets - held} from one process`, `memory of one of ${sockets}`];
        figures.push(
          { ...about, name: connections, unit: '/s', ...rates },
          { ...about, name: `${each} idle sockets`, unit: 'bytes', ...memory, aim: { below: 20_000 } },
        );
      }
    }
    held = sockets;
    const rounds: { ours: Heard; peer: Heard }[] = [];
    for (let round = 0; round < bench.scale.rounds; round++) {
      rounds.push({ ours: await ours.hear(events), peer: await bare.hear(events) });
    }
    const ofBoth = (of: keyof Heard) => ({
      unit: 'ms' as const,
      ours: rounds.map((round) => round.ours[of]),
      peer: rounds.map((round) => round.peer[of]),
    });
    const crowd = `${sockets.toLocaleString('en')} ${sockets === 1 ? 'socket' : 'sockets'}`;
    figures.push(
      { ...about, name: `commit → ${crowd}, p50`, ...ofBoth('p50') },
      { ...about, name: `commit → ${crowd}, p99`, ...ofBoth('p99'), ...(below && { aim: { below } }) },
    );
    if (sockets > 1) figures.push({ ...about, name: `commit → the last of ${crowd}, p50`, ...ofBoth('last') });
  }
  await Promise.all([ours.close(), bare.close()]);
  await Promise.all([author.close(), peer.stop()]);
  return figures;
}

/** A Socket.IO server with nothing around it. */
async function bareSockets(): Promise<Broadcaster & Pick<Process, 'stop'>> {
  const server = await startProcess([`--import=${MEMORY_PROBE}`, file('peer/bare-sockets')], {});
  let seq = 0;
  return {
    url: server.url,
    token: 'Socket.IO by itself asks nobody who it is.',
    emit: async () => {
      const event = { seq: ++seq, ...EVENT, agent_owner_id: null, at: new Date().toISOString() };
      const at = await server.ask<number>({ type: 'emit', event } satisfies BareSocketsCommand);
      return { seq, at };
    },
    memory: () => server.ask({ type: 'memory' }),
    stop: server.stop,
  };
}

/** Commits events of the user as any process of the installation does. */
class Author {
  private constructor(
    private readonly sql: Sql,
    private readonly stream: TimedStream,
    private readonly log: EventLog,
    private readonly userId: string,
  ) {}

  static async open({ databaseUrl, redisUrl, url, token }: Installation): Promise<Author> {
    const { id } = expectStatus(await api(url).get('/auth/me', { token }), 200).body;
    const sql = new Sql(databaseUrl);
    const channel = 'zerostate:events';
    const stream = new TimedStream(
      redisUrl ? new RedisEventStream(redisUrl, channel) : new PostgresEventStream(databaseUrl, channel, sql),
    );
    await stream.ready();
    return new Author(sql, stream, new EventLog(sql, stream), id as string);
  }

  /** The notification is sent in the turn of the event loop that sees the commit. */
  async commit(): Promise<{ seq: number; at: number }> {
    const seq = await this.log.post({ ...EVENT, user_id: this.userId, agent_owner_id: null });
    return { seq, at: this.stream.sentAt };
  }

  async close(): Promise<void> {
    await this.stream.close();
    await this.sql.close().catch(() => undefined); // closed before
  }
}

const EVENT = {
  type: 'agent.updated',
  task_id: null,
  user_id: '01900000-0000-7000-8000-000000000000',
  data: { note: 'An event of the usual size, which is some hundred bytes of data beside its head.' },
} as const;

/** An event stream that knows when it last sent a notification. */
class TimedStream implements EventStream {
  sentAt = 0;

  constructor(private readonly inner: EventStream) {}

  publish: EventStream['publish'] = (notice) => {
    this.sentAt = sharedClock();
    return this.inner.publish(notice);
  };
  subscribe: EventStream['subscribe'] = (listener) => this.inner.subscribe(listener);
  ready: EventStream['ready'] = () => this.inner.ready();
  close: EventStream['close'] = () => this.inner.close();
}
