import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Bench } from '../bench.js';
import { type Process, startProcess } from './servers.js';
import type { Arrivals, ClientCommand } from './socket-clients.js';
import { percentile } from './statistics.js';

/** A server that sends events to everybody who listens. */
export interface Broadcaster {
  url: string;
  token: string;
  /** Sends everybody one event. @returns its number, and when it was on its way, on the shared clock */
  emit(): Promise<{ seq: number; at: number }>;
  /** Resident memory after a collection, bytes. */
  memory(): Promise<number>;
}

/** Of one round: until half of all sockets, 99 of 100 and, in the middle of its events, the last had one; ms. */
export interface Heard {
  p50: number;
  p99: number;
  last: number;
}

/** Between two events, so that each is alone. */
const BETWEEN_MS = 20;
const SETTLE_MS = 2000;

/** Sockets that listen to a server, held by a process of their own. */
export class Crowd {
  private size = 0;
  /** Memory of the server with one socket: all that the first one brings into being is not to count. */
  private withOne = 0;

  private constructor(
    private readonly clients: Process,
    private readonly server: Broadcaster,
  ) {}

  static async open(bench: Bench, server: Broadcaster): Promise<Crowd> {
    const clients = await startProcess([fileURLToPath(new URL('socket-clients.js', import.meta.url))], {});
    bench.onEnd(clients.stop);
    const crowd = new Crowd(clients, server);
    await crowd.grow(1);
    crowd.withOne = await server.memory();
    return crowd;
  }

  /** @returns connections made per second, from one process */
  async grow(size: number): Promise<number> {
    const { url, token } = this.server;
    const perSecond = await this.tell<number>({ type: 'open', url, token, count: size - this.size });
    this.size = size;
    return perSecond;
  }

  /** Memory of the server for each socket, bytes. */
  async memoryOfEach(): Promise<number> {
    await pause(SETTLE_MS);
    return ((await this.server.memory()) - this.withOne) / (this.size - 1);
  }

  async hear(events: number): Promise<Heard> {
    const latencies: number[] = [];
    const slowest: number[] = [];
    for (let event = 0; event < events; event++) {
      const { seq, at } = await this.server.emit();
      const arrivals = await this.tell<Arrivals>({ type: 'await', seq, count: this.size });
      for (const arrival of arrivals) latencies.push(arrival - at);
      slowest.push(Math.max(...arrivals) - at);
      await pause(BETWEEN_MS);
    }
    return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), last: percentile(slowest, 0.5) };
  }

  async close(): Promise<void> {
    await this.tell({ type: 'close' });
    await this.clients.stop();
  }

  private tell<Answer>(command: ClientCommand): Promise<Answer> {
    return this.clients.ask(command);
  }
}
