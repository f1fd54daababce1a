import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { toolPath } from './launch-line.js';
import type { StagedScripts } from './staging.js';

/**
 * Arguments for `bwrap` that build a root folder with nothing in it but `paths`, at their own places, read-only. There is
 * no `/proc`, no `/dev`, no `/tmp`, and no folder in which a file could be made.
 */
export function emptyRoot(paths: readonly string[]): string[] {
  const folders = new Set(paths.flatMap(foldersAbove));
  return [
    // Folders that bwrap makes by itself are closed to the user that the child becomes.
    ...[...folders].flatMap((folder) => ['--perms', '0755', '--dir', folder]),
    ...paths.flatMap((path) => ['--ro-bind', path, path]),
    '--remount-ro',
    '/',
  ];
}

/** Outermost first, without the root. */
function foldersAbove(path: string): string[] {
  const folder = dirname(path);
  return folder === '/' ? [] : [...foldersAbove(folder), folder];
}

/**
 * What a child needs: Node.js and the tools that stand inside the root folder, what the dynamic loader opens for them, and
 * the folder with the scripts.
 * @throws Error when `ldd` is not there or cannot read one of them
 */
export async function filesInSight({ node, folder }: StagedScripts): Promise<string[]> {
  const tools = (['prlimit', 'setpriv'] as const).flatMap((tool) => toolPath(tool) ?? []);
  const programs = [node, ...tools];
  const libraries = await Promise.all(programs.map(librariesOf));
  const cache = existsSync(LOADER_CACHE) ? [LOADER_CACHE] : [];
  return [...new Set([...programs, ...libraries.flat(), ...cache, folder])];
}

const LOADER_CACHE = '/etc/ld.so.cache';
const known = new Map<string, Promise<string[]>>();

function librariesOf(program: string): Promise<string[]> {
  const listed = known.get(program) ?? list(program);
  known.set(program, listed);
  return listed;
}

/** Lines are like `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f…)` and `/lib64/ld-linux-x86-64.so.2 (0x00007f…)`. */
async function list(program: string): Promise<string[]> {
  const ldd = toolPath('ldd');
  if (!ldd) throw new Error('ldd is not installed, so the libraries of Node.js are not known');
  const { stdout } = await promisify(execFile)(ldd, [program], { env: { LC_ALL: 'C' } }).catch(
    // A program that is linked statically needs none.
    (error: { stdout?: string; stderr?: string; message: string }) => {
      if (/not a dynamic executable/.test(`${error.stdout}${error.stderr}`)) return { stdout: '' };
      throw new Error(`ldd ${program}: ${error.message}`);
    },
  );
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path);
}
