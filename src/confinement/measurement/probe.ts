import { spawnSync } from 'node:child_process';
import { type Dirent, mkdirSync, readdirSync, rmdirSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { ProbeReport, ProbeTask } from './report.js';

/**
 * Runs behind the walls, with everything permitted by Node.js itself, and tries what the walls forbid. It prints a `ProbeReport`
 * as one line of JSON and stays until its standard input ends, so that the server can look at it from outside.
 */
const { port, visible, folder, memoryBytes } = JSON.parse(process.argv[2]) as ProbeTask;

/** Enough evidence that the root folder is not empty. */
const MOST_PLACES = 20;

const report = async (): Promise<ProbeReport> => ({
  pid: process.pid,
  uid: process.getuid?.() ?? 0,
  connect: await connecting(),
  fork: forking(),
  becomeRoot: attempt(() => process.setuid?.(0)),
  allocate: attempt(() => new ArrayBuffer(memoryBytes)),
  ...looking(),
});

/** @returns `done`, or the code of the error */
function attempt(act: () => unknown): string {
  try {
    act();
    return 'done';
  } catch (error) {
    return codeOf(error);
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? (error as Error).name;

function connecting(): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve('done'));
    socket.once('error', (error) => resolve(codeOf(error)));
  });
}

/** Standard streams that exist already: there may be no null device. */
function forking(): string {
  const { error } = spawnSync(process.execPath, ['--version'], { stdio: [0, 2, 2] });
  return error ? codeOf(error) : 'done';
}

/** Walks through the root folder until it has found enough that should not be there. */
function looking(): Pick<ProbeReport, 'sees' | 'makes'> {
  const sees: string[] = [];
  const makes: string[] = [];
  const folders = ['/', '/dev/shm', '/tmp', '/var/tmp', '/run'];
  for (let index = 0; index < folders.length && sees.length < MOST_PLACES; index++) {
    const place = folders[index];
    const made = join(place, 'zerostate-wall-probe');
    if (attempt(() => mkdirSync(made)) === 'done') {
      makes.push(place);
      attempt(() => rmdirSync(made));
    }
    for (const entry of entriesOf(place)) {
      const path = join(place, entry.name);
      const leadsTo = visible.some((file) => file === path || file.startsWith(`${path}/`));
      if (!leadsTo && path !== made) sees.push(path);
      else if (entry.isDirectory() && path !== folder && !folders.includes(path)) folders.push(path);
    }
  }
  return { sees: sees.slice(0, MOST_PLACES), makes: makes.slice(0, MOST_PLACES) };
}

function entriesOf(place: string): Dirent[] {
  try {
    return readdirSync(place, { withFileTypes: true });
  } catch {
    return [];
  }
}

const line = `${JSON.stringify(await report())}\n`;
writeSync(1, line);
process.stdin.resume();
