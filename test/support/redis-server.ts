import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { ensureInstalled } from './apt.js';
import { freePort } from '../../src/database/embedded/free-port.js';

export interface RedisServer {
  url: string;
  signal(signal: NodeJS.Signals): void;
  /** `kill -9`. */
  stop(): Promise<void>;
}

/** Lost races for a free port, after which something else is wrong. */
const MAX_STARTS = 3;

/**
 * Starts a Redis of its own that keeps nothing on disk, with 256 databases. Where there is none, Debian's package is
 * installed if that is possible without asking anybody.
 * @param own settings of `redis.conf` in place of these
 * @throws Error that says what to install
 */
export async function startRedis(own: Record<string, string | number> = {}): Promise<RedisServer> {
  ensureInstalled('redis-server', isInstalled);
  let output = '';
  for (let start = 0; start < MAX_STARTS; start++) {
    const port = own.port ?? (await freePort());
    const common = { bind: '127.0.0.1', save: '', appendonly: 'no', databases: 256, dir: tmpdir() };
    const settings = { ...common, ...own, port };
    const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]);
    const server = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    output = await outputUntil(server, 'Ready to accept connections');
    if (server.exitCode === null) {
      const signal = (name: NodeJS.Signals): void => void server.kill(name);
      return { url: `redis://127.0.0.1:${port}`, signal, stop: () => stop(server) };
    }
  }
  throw new Error(`redis-server does not start:\n${output}`);
}

const isInstalled = (): boolean => spawnSync('redis-server', ['--version']).status === 0;

/** Reads until the text appears or the process ends; keeps draining the pipe afterwards. */
async function outputUntil(server: ChildProcess, text: string): Promise<string> {
  let output = '';
  const found = new Promise<void>((resolve) => {
    server.stdout!.on('data', (chunk: Buffer) => {
      if (output.includes(text)) return;
      output += chunk.toString();
      if (output.includes(text)) resolve();
    });
  });
  await Promise.race([found, once(server, 'exit')]);
  return output;
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill('SIGKILL');
  await once(server, 'exit');
}
