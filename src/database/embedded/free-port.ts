import { createServer, type AddressInfo } from 'node:net';

/** A TCP port of 127.0.0.1 that no process listens on at this moment. Another process may take it first, so be ready to try again. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject).listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
