import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { AppError } from '../../common/app-error.js';
import { unfinishedFolder, type PostgresHome } from './postgres-home.js';

/** Files are read by their owner only, whatever the umask. */
const PRIVATE_DIR = 0o700;
const PRIVATE_FILE = 0o600;

/**
 * Creates the cluster if it is not there: a database `zerostate` owned by a role `zerostate` that is no superuser and
 * has a random password. The superuser has none, so no login as superuser is possible.
 *
 * It is made in a folder beside and renamed when complete: an interrupted first start leaves no half cluster, and of
 * two first starts at the same time one wins.
 */
export async function createCluster(postgresHome: PostgresHome, log: (line: string) => void): Promise<void> {
  if (await exists(postgresHome.cluster)) return;
  const started = Date.now();
  log('Creating the database, once');
  const folder = unfinishedFolder(postgresHome.home);
  await mkdir(folder, { mode: PRIVATE_DIR });
  try {
    const { account } = postgresHome;
    if (account) await chown(folder, account.uid, account.gid);
    const password = randomBytes(24).toString('hex');
    await writeFile(passwordFile(folder), password, { mode: PRIVATE_FILE });
    await initialise(postgresHome, join(folder, basename(postgresHome.cluster)), password);
    await rename(folder, dirname(postgresHome.cluster));
    log(`Created the database in ${postgresHome.cluster} (${Date.now() - started} ms)`);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    if (!(await exists(postgresHome.cluster))) throw error;
  }
}

/** @throws AppError `unavailable` `EMBEDDED_POSTGRES_FAILED` when it cannot be read */
export async function readPassword(postgresHome: PostgresHome): Promise<string> {
  const file = passwordFile(dirname(postgresHome.cluster));
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new AppError(
      'unavailable',
      'EMBEDDED_POSTGRES_FAILED',
      `The embedded database's password in ${file} cannot be read (${error.code}): ` +
        'start the server as the user that created it, or set DATA_DIR to another folder.',
      { cause: error },
    );
  });
}

async function initialise(postgresHome: PostgresHome, cluster: string, password: string): Promise<void> {
  const identity = ['--username=postgres', '--auth-host=scram-sha-256', '--auth-local=reject'];
  // Unicode's case mapping and order by code point, independent of the machine's locales.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  await run(postgresHome, 'initdb', [`--pgdata=${cluster}`, ...identity, ...locale]);
  // One statement a line. CREATEDB is for the tests, which clone a template.
  const statements = [
    `CREATE ROLE zerostate LOGIN CREATEDB PASSWORD '${password}'`,
    `CREATE DATABASE zerostate OWNER zerostate`,
  ];
  const settings = ['-c', 'exit_on_error=on', '-c', 'log_checkpoints=off'];
  await run(
    postgresHome,
    'postgres',
    ['--single', '-D', cluster, ...settings, 'postgres'],
    `${statements.join('\n')}\n`,
  );
}

async function run(postgresHome: PostgresHome, program: string, args: string[], input = ''): Promise<void> {
  const options = { ...postgresHome.account, cwd: postgresHome.home, env: { LC_ALL: 'C' } };
  const running = promisify(execFile)(postgresHome.binary(program), args, options);
  running.child.stdin?.on('error', () => undefined).end(input);
  await running.catch((error: Error & { stderr?: string }) => {
    throw new AppError(
      'unavailable',
      'EMBEDDED_POSTGRES_FAILED',
      `The embedded PostgreSQL could not create its data in ${postgresHome.home}: ${error.stderr?.trim() || error.message}`,
      { cause: error },
    );
  });
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );

const passwordFile = (folder: string): string => join(folder, 'password');
