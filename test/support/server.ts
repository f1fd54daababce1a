import { afterAll } from '@jest/globals';
import { launchServer, type ServerOptions, type ServerProcess } from './server-process.js';

export type { ServerOptions, ServerProcess };

const started = new Set<ServerProcess>();

/** As `launchServer`; a suite that forgets to stop it fails. */
export async function startServer(options?: ServerOptions): Promise<ServerProcess> {
  const server = await launchServer(options);
  started.add(server);
  return server;
}

// Root-level hooks run after those of every `describe`, so a suite stops its servers in an `afterAll` of its `describe`.
afterAll(async () => {
  const forgotten = [...started].filter((server) => server.alive);
  await Promise.all(forgotten.map((server) => server.kill('SIGKILL')));
  if (forgotten.length) {
    const pids = forgotten.map((server) => server.pid).join(', ');
    throw new Error(`this suite did not stop ${forgotten.length} server(s) it had started (pid ${pids})`);
  }
});
