import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../src/database/embedded/free-port.js';
import { ensureInstalled } from './apt.js';
import { until } from './until.js';

export interface Clamd {
  /** `CLAMD_URL` over TCP, and over its unix socket. */
  tcp: string;
  unix: string;
  /** Starts it again where it was, after `stop`. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Stops it for good. */
  remove(): Promise<void>;
}

/** The test file that every scanner knows, put together here so that none finds it in the sources. */
export const EICAR = Buffer.from(
  [String.raw`X5O!P%@AP[4\PZX54(P^)7CC)7}$`, 'EICAR-STANDARD-', 'ANTIVIRUS-TEST-FILE!$H+H*'].join(''),
);
export const EICAR_SIGNATURE = 'Test.Eicar.UNOFFICIAL';

/** What `stream_max_length` is by default here, bytes. */
export const STREAM_MAX_BYTES = 30_000_000;

/**
 * Starts a real clamd of its own, with a signature file that knows EICAR and nothing else, anywhere in a file. Debian's
 * package is installed where there is none, and its own service is not used (it does not
 * start without signatures of its own).
 * @throws Error with clamd's words when it does not start
 */
export async function startClamd(): Promise<Clamd> {
  ensureInstalled('clamav-daemon', () => spawnSync(CLAMD, ['--version']).status === 0, '--no-install-recommends');
  const folder = await mkdtemp(join(tmpdir(), 'zerostate-clamd-'));
  const port = await freePort();
  const socket = join(folder, 'clamd.socket');
  const config = join(folder, 'clamd.conf');
  await mkdir(join(folder, 'signatures'));
  await writeFile(join(folder, 'signatures', 'eicar.ndb'), `Test.Eicar:0:*:${EICAR.toString('hex')}\n`);
  await writeFile(
    config,
    [
      'Foreground yes',
      `DatabaseDirectory ${join(folder, 'signatures')}`,
      `TemporaryDirectory ${folder}`,
      `LocalSocket ${socket}`,
      `TCPSocket ${port}`,
      'TCPAddr 127.0.0.1',
      `StreamMaxLength ${STREAM_MAX_BYTES}`,
      'MaxFileSize 100M',
      'MaxScanSize 100M',
      'MaxThreads 4',
      '',
    ].join('\n'),
  );

  let stop: () => Promise<void>;
  const start = async (): Promise<void> => {
    const process = spawn(CLAMD, [`--config-file=${config}`], { stdio: ['ignore', 'pipe', 'pipe'] });
    let words = '';
    for (const stream of [process.stdout, process.stderr]) stream.on('data', (text) => (words += text));
    const ended = once(process, 'close');
    stop = async () => {
      process.kill('SIGKILL');
      await ended;
      await rm(socket, { force: true });
    };
    await until('clamd answers', async () => {
      if (process.exitCode !== null) throw new Error(`clamd ended:\n${words}`);
      return (await answers(port)) && answers(socket);
    });
  };
  await start();
  return {
    tcp: `tcp://127.0.0.1:${port}`,
    unix: `unix://${socket}`,
    start,
    stop: () => stop(),
    async remove() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Where Debian puts it: not on every user's PATH. */
const CLAMD = '/usr/sbin/clamd';

function answers(address: number | string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = typeof address === 'number' ? connect(address, '127.0.0.1') : connect(address);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
