import { describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseEnvironment } from '../../src/config/index.js';
import { DirectEgress } from '../../src/egress/drivers/direct.driver.js';
import { exchange } from '../../src/egress/exchange.js';
import { itBehavesAsEgress } from './egress.contract.js';

describe('egress in the process of a worker', () => {
  itBehavesAsEgress(async (settings) => ({
    egress: new DirectEgress(parseEnvironment(settings).egress),
    stop: () => Promise.resolve(),
  }));

  it('closes a connection whose peer is not public, even if the address was judged good', async () => {
    const requests: unknown[] = [];
    const server = createServer((request) => requests.push(request)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const hop = {
      url: new URL(`http://fooled.example.com:${port}/`),
      host: 'fooled.example.com',
      port,
      isHttps: false,
    };
    const request = { method: 'GET', headers: {}, maxResponseBytes: 1000 };
    const addresses = [{ address: '127.0.0.1', family: 4 as const }];
    const outcome = exchange(hop, addresses, request, new AbortController().signal);
    await expect(outcome).rejects.toMatchObject({ code: 'ADDRESS_NOT_PUBLIC' });
    expect(requests).toEqual([]);
    server.close();
  });
});
