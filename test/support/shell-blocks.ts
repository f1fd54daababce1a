import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** What a checkout for a test does not share with this one: it starts without the first, and has its own of the others. */
const OWN = new Set(['.git', '.env', '.zerostate', 'my-agent.wasm', 'dist', 'dist-dev', 'examples', 'scripts']);

/** A fenced block of a document. */
export interface Block {
  /** As `docs/guide.md:12`. */
  place: string;
  /** The first word behind the fence. */
  language: string;
  text: string;
  /** Each line is a server's, which goes on until it is stopped. `<!-- serves -->` above the block says so. */
  serves: boolean;
  /** Why no test runs it: `<!-- not run: the reason -->` above the block. */
  notRun?: string;
}

/** The Markdown files below a folder of the repository, without what packages bring. */
export const markdownIn = (folder: string): string[] =>
  readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md') && !path.includes('node_modules'))
    .map((path) => `${folder}/${path}`)
    .sort();

/** The fenced blocks of a document, in order. */
export function blocksOf(path: string): Block[] {
  const text = readFileSync(ROOT + path, 'utf8');
  const fences = /^(?:<!-- (?:(serves)|not run: (.+)) -->\n+)?```(\S*).*\n([^]*?)^```$/gm;
  return [...text.matchAll(fences)].map(({ index, 1: serves, 2: notRun, 3: language, 4: block }) => ({
    place: `${path}:${text.slice(0, index).split('\n').length}`,
    language,
    text: block,
    serves: serves !== undefined,
    notRun,
  }));
}

/** Where a document shows code by four spaces, which says neither what it is nor whether it is run. */
export function indentedBlocks(path: string): string[] {
  const prose = readFileSync(ROOT + path, 'utf8').replace(/^```[^]*?^```$/gm, '');
  return [...prose.matchAll(/\n\n {4}(\S.*)/g)].map(([, line]) => `${path}: ${line}`);
}

/** The shell blocks of a document that a reader can run anywhere. */
export const runnable = (path: string): Block[] =>
  blocksOf(path).filter(({ language, notRun }) => language === 'sh' && notRun === undefined);

/** What bash says of a block without running it; '' when it is well-formed. */
export const syntaxErrors = ({ text }: Block): string =>
  spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' }).stderr;

export interface Checkout {
  path: string;
  remove(): Promise<void>;
}

/**
 * A folder that looks like a fresh clone, built and with its packages. Its examples are copies, since pages build them anew
 * while other suites read them. Compilers that they install are its own: two installations into one folder break each other.
 */
export async function createCheckout(): Promise<Checkout> {
  const path = await mkdtemp(join(tmpdir(), 'zerostate-checkout-'));
  await chmod(path, 0o711); // as root, an embedded PostgreSQL runs as another user
  for (const name of await readdir(ROOT)) if (!OWN.has(name)) await symlink(ROOT + name, join(path, name));
  // Scripts take the folder above theirs for the repository. The tests' build serves as the server's.
  await cp(`${ROOT}scripts`, join(path, 'scripts'), { recursive: true });
  await symlink(`${ROOT}dist-test`, join(path, 'dist'));
  const filter = (from: string): boolean => from !== `${ROOT}examples/agents/build`;
  await cp(`${ROOT}examples`, join(path, 'examples'), { recursive: true, preserveTimestamps: true, filter });
  await writeFile(join(path, '.curlrc'), 'fail-with-body\nsilent\nshow-error\nmax-time = 60\n');
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

export interface Reader {
  checkout: Checkout;
  /** Comes on top of the environment of the tests. */
  env?: Record<string, string>;
  /** What the reader would write in place of a document's own words: a free port for one. */
  instead?: [from: string, to: string][];
}

/**
 * Runs a document's shell blocks as a reader would: one after the other, in one shell, in a checkout. The first command
 * that fails ends it, a request that is refused included, and so does a server that does not come to serve. What serves
 * is stopped when the next such block begins, and at the end.
 * @returns everything written, each block's commands before what they wrote
 * @throws Error that shows the end of it when a command fails
 */
export async function runShellBlocks(document: string, { checkout, env = {}, instead = [] }: Reader): Promise<string> {
  const file = join(checkout.path, '.blocks.sh');
  const blocks = runnable(document).map(({ text, serves }) => {
    const lines = instead.reduce((said, [from, to]) => said.replaceAll(from, to), text);
    return serves ? served(lines) : lines;
  });
  await writeFile(file, [PRELUDE, ...blocks].join('\n'));
  const shell = spawn('bash', [file], {
    cwd: checkout.path,
    // NODE_ENV is the tests' own. Scripts that npm would run by itself build what the tests run on.
    env: {
      ...process.env,
      NODE_ENV: undefined,
      CURL_HOME: checkout.path,
      ZEROSTATE_CONFIG_DIR: join(checkout.path, '.login'),
      npm_config_ignore_scripts: 'true',
      // Other suites keep the machine busy.
      MAX_EVENT_LOOP_LAG_MS: '600000',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 600_000,
  });
  let log = '';
  for (const stream of [shell.stdout, shell.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const [code] = (await once(shell, 'close')) as [number];
  const servers = (await readdir(checkout.path)).filter((name) => name.startsWith(SERVED)).sort();
  const said = (await Promise.all(servers.map((name) => readFile(join(checkout.path, name), 'utf8')))).join('');
  if (code === 0) return log + said;
  throw new Error(`${document}: exit code ${code} after:\n${log.slice(-4000)}\nServers:\n${said.slice(-2000)}`);
}

const SERVED = '.served-';

const served = (lines: string): string =>
  ['stop', ...lines.split('\n').map((line) => line && `serve '${line.replaceAll("'", `'\\''`)}'`)].join('\n');

const PRELUDE = `
servers=()
started=0
stop() {
  for server in "\${servers[@]}"; do kill -INT -- "-$server" && wait "$server" || true; done
  servers=()
}
serve() {
  local said="$PWD/${SERVED}$((started += 1)).log"
  set -m # as in a terminal, a stop reaches all its processes
  bash -c "$1" > "$said" 2>&1 &
  set +m
  servers+=($!)
  until grep -q '  Health  \\|ready: waiting for tasks' "$said"; do kill -0 $!; sleep 0.1; done
}
trap stop EXIT
set -euo pipefail -o verbose
`;
