import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import express from 'express';
import type { ProtectionConfig } from '../config/index.js';
import { registry } from '../observability/metrics.js';
import { guardAgainstFloods } from './flood-guard.js';
import { limitConnections } from './slow-requests.js';

describe('flood guard', () => {
  const stops: (() => void)[] = [];
  afterEach(() => {
    for (const stop of stops.splice(0)) stop();
  });

  it('takes as many requests ahead as a client sends where limits are off, and answers them in their order', async () => {
    const port = await serve({ rateLimits: false, maxRequestsPerSecond: Infinity, maxRefusedPerSecond: Infinity });
    const answers = await ask(port, 20);
    expect(answers).toEqual(Array.from({ length: 20 }, (_, index) => `200 /${index}`));
  });

  it('ends the connection of a client that sends more ahead than any means to, and refuses its next', async () => {
    const port = await serve({ rateLimits: true, maxRequestsPerSecond: 1000, maxRefusedPerSecond: 100 });
    expect((await ask(port, 20)).length).toBeLessThan(20);
    expect(await ask(port, 1)).toEqual([]);
  });

  it('counts what it refuses, by reason', async () => {
    const before = await refusals();
    const port = await serve({ rateLimits: true, maxRequestsPerSecond: 0, maxRefusedPerSecond: 0 });
    expect(await ask(port, 1)).toHaveLength(1);
    expect(await ask(port, 1)).toEqual([]);

    const server = await serve({ rateLimits: true, maxRequestsPerSecond: 1000, maxConnectionsPerAddress: 1 });
    const first = connect(server, '127.0.0.1');
    await once(first, 'connect');
    expect(await ask(server, 1)).toEqual([]);
    first.destroy();

    const small = createServer();
    limitConnections(small, { maxConnections: 1 } as ProtectionConfig);
    small.listen(0, '127.0.0.1');
    stops.push(() => void small.close());
    await once(small, 'listening');
    const { port: full } = small.address() as AddressInfo;
    const only = connect(full, '127.0.0.1');
    await once(small, 'connection');
    expect(await ask(full, 1)).toEqual([]);
    only.destroy();

    const after = await refusals();
    const grown = Object.entries(after).map(([reason, count]) => [reason, count - before[reason]]);
    expect(Object.fromEntries(grown)).toEqual({ full: 1, connections: 1, cut_off: 1, requests: 1 });
  });

  async function refusals(): Promise<Record<string, number>> {
    const text = await registry.getSingleMetricAsString('zerostate_flood_refusals_total');
    return Object.fromEntries(
      Array.from(text.matchAll(/reason="(\w+)"\} (\d+)/g), ([, reason, count]) => [reason, Number(count)]),
    );
  }

  /** @returns the port of a server that answers each request with its path, after a while */
  async function serve(limits: Partial<ProtectionConfig>): Promise<number> {
    const app = express();
    const server = createServer(app);
    app.use(
      guardAgainstFloods(server, { trustProxy: false, maxConnectionsPerAddress: 10, ...limits } as ProtectionConfig),
    );
    app.use((request, response) => void setTimeout(() => response.send(`${request.url}\n`), 5));
    server.listen(0, '127.0.0.1');
    stops.push(() => void server.close());
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  /** @returns status and body of what was answered before the connection ended */
  async function ask(port: number, count: number): Promise<string[]> {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => void (text += chunk));
    socket.on('error', () => undefined);
    const closed = once(socket, 'close');
    await once(socket, 'connect');
    const last = (index: number): string => (index === count - 1 ? 'Connection: close\r\n' : '');
    socket.write(
      Array.from({ length: count }, (_, index) => `GET /${index} HTTP/1.1\r\nHost: x\r\n${last(index)}\r\n`).join(''),
    );
    await closed;
    return Array.from(text.matchAll(/^HTTP\/1.1 (\d+)[^]*?\r\n\r\n(.*)$/gm), ([, status, body]) => `${status} ${body}`);
  }
});
