import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.js';

/** An IPFS node of its own process, without a network, that speaks Kubo's RPC. */
export interface IpfsDaemon {
  /** Of its RPC, for `IPFS_API_URL`. */
  apiUrl: string;
  /** CIDs of all that it has pinned, base32. */
  pinned(): Promise<string[]>;
  unpin(cid: string): Promise<void>;
  stop(): Promise<void>;
}

/**
 * js-ipfs, which is the JavaScript sister of Kubo: no longer developed, but a whole node, and the only one whose RPC is
 * that of Kubo and which a package registry ships without a download of its own. It is NOT Kubo: what Kubo alone does
 * is not shown by it.
 */
const PACKAGES = ['ipfs-core@0.18.1', 'ipfs-http-server@0.15.1'];
/** What these packages resolved to when they were tried: their dependencies have moved on, and they have not. */
const AS_OF = '2026-11-24';
/** 245 MB, kept between runs. */
const FOLDER = join(tmpdir(), 'zerostate-js-ipfs-0.18.1');
const START_TIMEOUT_MS = 60_000;

const SCRIPT = `
// One of the dependencies expects Node.js 22.
Promise.withResolvers ??= () => {
  let resolve, reject;
  const promise = new Promise((...settle) => ([resolve, reject] = settle));
  return { promise, resolve, reject };
};
const { create } = await import('ipfs-core');
const { HttpApi } = await import('ipfs-http-server');
const node = await create({
  repo: process.argv[2],
  offline: true,
  silent: true,
  init: { algorithm: 'Ed25519', emptyRepo: true, profiles: ['test'] },
  config: { Addresses: { Swarm: [], API: '/ip4/127.0.0.1/tcp/0', Gateway: '' }, Bootstrap: [] },
});
const api = new HttpApi(node);
await api.start();
process.send(api._apiServers[0].info.uri);
`;

/** Installs it where it is missing and starts it. @throws Error that says what went wrong */
export async function startIpfsDaemon(): Promise<IpfsDaemon> {
  if (!existsSync(FOLDER)) await install();
  const repo = await mkdtemp(join(tmpdir(), 'zerostate-ipfs-repo-'));
  const child = spawn(process.execPath, [join(FOLDER, 'daemon.mjs'), repo], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: { PATH: process.env.PATH },
  });
  let [apiUrl, output] = ['', ''];
  child.on('message', (uri: string) => (apiUrl = uri));
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text) => (output += text));
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(repo, { recursive: true, force: true });
  };
  try {
    await until('the IPFS node answers', async () => apiUrl !== '' || failed(child), START_TIMEOUT_MS);
    if (failed(child)) throw new Error('it ended');
  } catch (error) {
    await stop();
    throw new Error(`The IPFS node did not start: ${(error as Error).message}\n${output}`);
  }
  const call = async (command: string): Promise<any> => {
    const response = await fetch(`${apiUrl}/api/v0/${command}`, { method: 'POST' });
    if (!response.ok) throw new Error(await response.text());
    return response.json();
  };
  return {
    apiUrl,
    pinned: async () => Object.keys((await call('pin/ls?type=recursive&cid-base=base32')).Keys),
    unpin: async (cid) => void (await call(`pin/rm?arg=${cid}`)),
    stop,
  };
}

/** Into a folder of another name first, so that one that is there is whole. */
async function install(): Promise<void> {
  const draft = await mkdtemp(`${FOLDER}-`);
  await mkdir(draft, { recursive: true });
  await writeFile(join(draft, 'package.json'), '{"private":true}');
  await writeFile(join(draft, 'daemon.mjs'), SCRIPT);
  const options = ['--no-audit', '--no-fund', '--omit=optional', '--ignore-scripts', `--before=${AS_OF}`];
  const { status, stderr } = spawnSync('npm', ['install', ...options, ...PACKAGES], { cwd: draft, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm cannot install ${PACKAGES.join(' and ')}:\n${stderr}`);
  // Another run may have been faster.
  await rename(draft, FOLDER).catch(() => rm(draft, { recursive: true, force: true }));
}

const failed = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function end(child: ChildProcess): Promise<void> {
  if (failed(child)) return;
  child.kill('SIGKILL'); // it has nothing to save
  await once(child, 'exit');
}
