import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ADMIN } from './client.js';

/** The real server, `node dist-test/bin/server.js`, as a process of its own on a free port. */
export interface ServerProcess {
  /** `http://127.0.0.1:<port>`, without the base path; '' for a worker without API. */
  readonly url: string;
  readonly pid: number;
  readonly alive: boolean;
  /** Everything it has written so far, standard error included. */
  stdout(): string;
  /** Over IPC, for what `modules` listen to. */
  send(message: object): void;
  /** Asks it to drain and end. @throws Error when it crashes on the way or does not end */
  stop(): Promise<void>;
  /** Sends a signal; waits for the end unless the signal only suspends (`SIGSTOP`) or resumes (`SIGCONT`). */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

export interface ServerOptions {
  /** Comes on top of the defaults below; nothing else is inherited from the environment of the tests. */
  env?: Record<string, string>;
  roles?: readonly ('api' | 'worker' | 'validator')[];
  /** URLs of modules it loads before its own. */
  modules?: readonly string[];
}

const START_TIMEOUT_MS = 55_000;
const STOP_TIMEOUT_MS = 30_000;
const TAIL_LINES = 40;
const MAIN = fileURLToPath(new URL('../../bin/server.js', import.meta.url));

/**
 * Starts a server and waits until it serves. Without `DATABASE_URL` it starts its embedded PostgreSQL. Servers that
 * work together need the same `DATABASE_URL`, `DATA_DIR` and, on Redis, `REDIS_URL` and `QUEUE_PREFIX`.
 * @throws Error with the end of its log when it dies or is not ready in time
 */
export async function launchServer({
  env = {},
  roles = ['api', 'worker'],
  modules = [],
}: ServerOptions = {}): Promise<ServerProcess> {
  const ownFolder = env.DATA_DIR ? undefined : await mkdtemp(join(tmpdir(), 'zerostate-server-'));
  if (ownFolder) await chmod(ownFolder, 0o711); // as root, an embedded PostgreSQL runs as another user
  const preloads = modules.map((url) => `--import=${url}`);
  const child = spawn(process.execPath, [...preloads, MAIN], {
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'test',
      HOST: '127.0.0.1',
      PORT: '0',
      ROLES: roles.join(','),
      DATA_DIR: ownFolder,
      DEMO: 'false',
      // Their upload takes a tenth of a start; suites that need agents publish their own.
      EXAMPLE_AGENTS: 'none',
      // Tests are many clients at one address; the suite about limits asks for them.
      RATE_LIMIT_ENABLED: 'false',
      // Suites share the machine: one that makes it busy must not get requests of others turned away.
      MAX_EVENT_LOOP_LAG_MS: '600000',
      // Nearly every account of a test is new.
      YOUNG_ACCOUNT_HOURS: '0',
      // Enough for whatever a test submits; the suite about money asks for less.
      SIGNUP_CREDITS: '999999999',
      ADMIN_EMAIL: ADMIN.email,
      ADMIN_PASSWORD: ADMIN.password,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const server = new Server(child, ownFolder);
  await server.ready();
  return server;
}

class Server implements ServerProcess {
  url = '';
  private output = '';
  private readonly ended: Promise<unknown>;

  constructor(
    private readonly child: ChildProcess,
    private readonly ownFolder: string | undefined,
  ) {
    const collect = (chunk: Buffer): void => void (this.output += chunk.toString());
    child.stdout!.on('data', collect);
    child.stderr!.on('data', collect);
    this.ended = once(child, 'close');
  }

  get pid(): number {
    return this.child.pid!;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  stdout(): string {
    return this.output;
  }

  /** The server says `{ type: 'listening', url }` when it serves its API, a worker alone `{ type: 'ready' }`. */
  async ready(): Promise<void> {
    const announced = new Promise<true>((resolve) => {
      this.child.on('message', (message: { type?: string; url?: string }) => {
        if (message.type !== 'listening' && message.type !== 'ready') return;
        this.url = message.url ?? '';
        resolve(true);
      });
    });
    const giveUp = new AbortController();
    const timeout = pause(START_TIMEOUT_MS, 'timeout', { signal: giveUp.signal }).catch(() => 'timeout');
    const outcome = await Promise.race([announced, this.ended, timeout]);
    giveUp.abort();
    if (outcome === true) return;
    const failure = outcome === 'timeout' ? 'was not ready in time' : `ended (${this.end()}) before it was ready`;
    await this.kill('SIGKILL');
    throw new Error(`The server ${failure}. Its log ends with:\n${this.tail()}`);
  }

  send(message: object): void {
    this.child.send(message);
  }

  async stop(): Promise<void> {
    const giveUp = new AbortController();
    const late = pause(STOP_TIMEOUT_MS, 'late', { signal: giveUp.signal }).catch(() => 'late');
    this.child.kill('SIGTERM');
    const outcome = await Promise.race([this.ended, late]);
    giveUp.abort();
    if (outcome === 'late') await this.kill('SIGKILL');
    await this.removeFolder();
    // Nest ends its process by the signal it was asked with.
    if (outcome === 'late' || (this.child.exitCode !== 0 && this.child.signalCode !== 'SIGTERM')) {
      const failure = outcome === 'late' ? 'did not stop in time' : `ended (${this.end()}) when asked to stop`;
      throw new Error(`The server ${failure}. Its log ends with:\n${this.tail()}`);
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.child.kill(signal);
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') return;
    await this.ended;
    await this.removeFolder();
  }

  private async removeFolder(): Promise<void> {
    if (this.ownFolder) await rm(this.ownFolder, { recursive: true, force: true });
  }

  private end(): string {
    return this.child.signalCode ?? `exit code ${this.child.exitCode}`;
  }

  private tail(): string {
    return this.output.trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  }
}
