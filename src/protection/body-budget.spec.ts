import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import express, { type NextFunction, type Request, type Response } from 'express';
import { ProblemFilter } from '../common/problem.filter.js';
import { limitBodiesUnderWay } from './body-budget.js';

describe('bodies under way', () => {
  const stops: (() => void)[] = [];
  afterEach(() => {
    for (const stop of stops.splice(0)) stop();
  });

  it('of one address are no more than it may have in memory, and further ones are let in as those arrive or are given up', async () => {
    const { port, underWay } = await serve();
    const [first, second] = [await open(port), await open(port)];
    first.write(head('Content-Length: 1000'));
    // However large it may become once it is unpacked, and of whatever length.
    second.write(head('Content-Encoding: gzip\r\nContent-Length: 10'));
    await underWay(2);
    for (const further of ['Content-Length: 600', 'Content-Length: 9999', 'Transfer-Encoding: chunked']) {
      expect(await answer(port, head(further))).toMatch(/^HTTP\/1.1 429 [^]*Retry-After: 1\r\n[^]*RATE_LIMITED/);
    }
    expect(await answer(port, `${head('Content-Length: 5')}short`)).toMatch(/^HTTP\/1.1 200 /);
    expect(await answer(port, 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1.1 200 /);

    first.write('x'.repeat(1000));
    await once(first, 'data');
    expect(await answer(port, `${head('Content-Length: 600')}${'x'.repeat(600)}`)).toMatch(/^HTTP\/1.1 200 /);
    second.destroy();
    await underWay(0);
    const all = [await open(port), await open(port)];
    for (const socket of all) socket.write(head('Content-Length: 1000'));
    await underWay(2);
  });

  const head = (length: string): string =>
    `POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n${length}\r\n\r\n`;

  async function open(port: number): Promise<Socket> {
    const socket = connect(port, '127.0.0.1');
    stops.push(() => void socket.destroy());
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }

  /** What comes until there is an answer. */
  async function answer(port: number, request: string): Promise<string> {
    const socket = await open(port);
    socket.write(request);
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    return chunk.toString();
  }

  /** A server that answers each body once it is whole, and may be asked to wait until so many of them are under way. */
  async function serve(): Promise<{ port: number; underWay: (count: number) => Promise<void> }> {
    const app = express();
    const taken = new Set<Request>();
    let changed = (): void => undefined;
    const problems = new ProblemFilter();
    app.use(limitBodiesUnderWay(1000, 2500));
    app.use((request: Request, response: Response) => {
      taken.add(request);
      changed();
      const leave = (): void => {
        taken.delete(request);
        changed();
      };
      request.once('close', leave);
      request.resume().once('end', () => (leave(), response.send('whole')));
    });
    app.use((error: unknown, request: Request, response: Response, _next: NextFunction) =>
      problems.answer(error, request, response),
    );
    const server = createServer(app);
    server.listen(0, '127.0.0.1');
    stops.push(() => void server.close());
    await once(server, 'listening');
    const underWay = async (count: number): Promise<void> => {
      while (taken.size !== count) await new Promise<void>((resolve) => (changed = resolve));
    };
    return { port: (server.address() as AddressInfo).port, underWay };
  }
});
