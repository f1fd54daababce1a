import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemCallFilter } from './system-calls/filter.js';

export interface StagedScripts {
  folder: string;
  /** Absolute paths of every file that is copied into it, and of the copies. */
  copies: readonly { from: string; to: string }[];
  /** Files that are written into it. */
  made: readonly { to: string; bytes: Uint8Array }[];
  /** Absolute path of the filter of system calls, where there is one for this processor. */
  filter?: string;
  /** Absolute path of the entry's copy. */
  entry: string;
  /** Absolute path of the copy of the probe that measures the walls. */
  probe: string;
  /** Absolute path of the copy of what runs before the entry. */
  preload: string;
  /** Absolute path of a Node.js binary that any user may execute, where there is one. */
  node: string;
}

const PROBE = new URL('./measurement/probe.js', import.meta.url);
const PRELOAD = new URL('./preload.js', import.meta.url);

/** Copies the scripts into a new world-readable folder, with their places relative to each other. */
export function stage(scripts: readonly URL[]): StagedScripts {
  const sources = scripts.map((url) => fileURLToPath(url));
  const root = commonFolder(sources);
  const place = [tmpdir(), '/tmp', '/var/tmp', '/dev/shm'].find(isOpenToAll) ?? tmpdir();
  removeAbandoned(place);
  const folder = mkdtempSync(join(place, `${FOLDER_PREFIX}${process.pid}-`));
  const copies = sources.map((source) => ({ from: source, to: join(folder, relative(root, source)) }));
  const [probe, preload] = [join(folder, 'wall-probe.js'), join(folder, 'preload.js')];
  copies.push({ from: fileURLToPath(PROBE), to: probe }, { from: fileURLToPath(PRELOAD), to: preload });
  const filter = systemCallFilter(process.arch);
  const made: { to: string; bytes: Uint8Array }[] = [
    { to: join(folder, 'package.json'), bytes: Buffer.from('{"type":"module"}') },
  ];
  const staged: StagedScripts = { folder, copies, made, entry: copies[0].to, probe, preload, node: process.execPath };
  if (filter) {
    staged.filter = join(folder, 'system-calls.bpf');
    made.push({ to: staged.filter, bytes: filter });
  }
  // Root's own Node.js is often in a folder closed to other users (`/root/.nvm`). A child that gives up root needs a copy.
  if (process.getuid?.() === 0 && !isOpenToAll(process.execPath)) {
    staged.node = join(folder, 'node');
    copies.push({ from: process.execPath, to: staged.node });
  }
  fill(staged);
  return staged;
}

function fill({ folder, copies, made, node }: StagedScripts): void {
  chmodSync(folder, 0o755);
  for (const { from, to } of copies) {
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(from, to, constants.COPYFILE_FICLONE);
    chmodSync(to, to === node ? 0o755 : 0o644);
  }
  for (const { to, bytes } of made) writeFileSync(to, bytes, { mode: 0o644 });
}

/**
 * Cleaners of temporary files take what nobody has touched for days, which are the scripts of a server whose processes all
 * run. They are then copied again, into a folder that nobody else can have made meanwhile: its name is no secret.
 */
export function restore(staged: StagedScripts): void {
  const { folder, copies, made } = staged;
  if (isOurs(folder) && [...made, ...copies].every(({ to }) => existsSync(to))) return;
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    fill(staged);
  } catch {
    // The child then finds nothing to run. The start reports that as it reports any child that ends too early.
  }
}

/** Folders of processes that were killed: with the pid in their names goes the namespace in which it means something. */
function removeAbandoned(place: string): void {
  for (const name of namesIn(place)) {
    const pid = name.startsWith(FOLDER_PREFIX) ? Number.parseInt(name.slice(FOLDER_PREFIX.length), 10) : NaN;
    const folder = join(place, name);
    if (!(pid > 0) || isAlive(pid) || !isOurs(folder)) continue;
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // Another process that starts now is at the same.
    }
  }
}

/** None in a folder that this user may write, and not read. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

const FOLDER_PREFIX = `zerostate-confined-${pidNamespace()}-`;

/** Its number on Linux; 0 where there are none. */
function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0';
  } catch {
    return '0';
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Whether it exists and belongs to the user this process runs as. */
const isOurs = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.uid === (process.getuid?.() ?? 0);

/** Whether every user may enter (or execute) a path and all folders above it. */
function isOpenToAll(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats || (stats.mode & 0o001) === 0) return false;
  return path === dirname(path) || isOpenToAll(dirname(path));
}

function commonFolder(paths: readonly string[]): string {
  let folder = dirname(paths[0]);
  while (!paths.every((path) => path.startsWith(join(folder, '/')))) folder = dirname(folder);
  return folder;
}
