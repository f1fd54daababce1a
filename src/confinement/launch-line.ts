import { ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import { closeSync, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Wall } from '../common/walls.js';

/**
 * The parts of a launch line before the program that is confined, in their order, each with the tool that does it. `become`
 * changes the user before any namespace is made, `setpriv` afterwards.
 */
const PARTS = {
  become: 'setpriv',
  unshare: 'unshare',
  bwrap: 'bwrap',
  prlimit: 'prlimit',
  setpriv: 'setpriv',
} as const;
type Part = keyof typeof PARTS;
export type Tool = (typeof PARTS)[Part];

/** Arguments of one part of the launch line; a function where they differ with the user that the child becomes. */
type Arguments = readonly string[] | ((user: number) => readonly string[]);

/** One item of the launch line, which works on this machine or does not. */
export interface Measure {
  /** The walls that it puts up. */
  walls: readonly Wall[];
  launch: Readonly<Partial<Record<Part | 'node', Arguments>>>;
  /** A file that the launch line reads as descriptor `FILTER_FD`. */
  filter?: string;
}

/** The first after the standard streams. */
export const FILTER_FD = 3;

/** The beginning of a launch line: everything before the confined program. */
export const prefixOf = (measures: readonly Measure[], user: number): string[] =>
  Object.entries(PARTS).flatMap(([part, tool]) => {
    const args = argumentsOf(part as Part, measures, user);
    return args.length > 0 ? [toolPath(tool) ?? tool, ...args, '--'] : [];
  });

/** What all measures together say to one tool, or to Node.js. */
export const argumentsOf = (part: Part | 'node', measures: readonly Measure[], user = NaN): string[] =>
  measures.flatMap(({ launch }) => {
    const args = launch[part] ?? [];
    return typeof args === 'function' ? args(user) : args;
  });

/** The tools that a measure needs and this machine does not have. */
export const absentTools = ({ launch }: Measure): Tool[] =>
  Object.entries(PARTS).flatMap(([part, tool]) =>
    launch[part as Part] !== undefined && toolPath(tool) === undefined ? [tool] : [],
  );

/** The child has no PATH to search, so the usual places are searched. @returns an absolute path, or undefined */
export const toolPath = (tool: Tool | 'ldd'): string | undefined =>
  ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin']
    .map((folder) => join(folder, tool))
    .find((path) => statSync(path, { throwIfNoEntry: false }));

/** Starts a program behind `measures`, see `start`. */
export function launch(
  measures: readonly Measure[],
  user: number,
  program: readonly string[],
  stdio: StdioOptions,
): ChildProcess {
  const command = [...prefixOf(measures, user), ...program];
  const filter = measures.find((measure) => measure.filter)?.filter;
  if (!filter) return start(command, stdio);
  // Opened for each child: the position in a file is shared by all that inherit it.
  let opened: number;
  try {
    opened = openSync(filter, 'r');
  } catch (error) {
    return neverStarted(error as Error);
  }
  try {
    const [stdin, stdout, stderr] = typeof stdio === 'string' ? [stdio, stdio, stdio] : stdio;
    return start(command, [stdin, stdout, stderr, opened]);
  } finally {
    closeSync(opened);
  }
}

/** Starts a command with an empty environment. A command that does not start emits `error` and `close`, and has no `pid`. */
export function start([command, ...args]: readonly string[], stdio: StdioOptions): ChildProcess {
  try {
    // Detached: a Ctrl-C in the server's terminal must not reach the child while the server still drains.
    return spawn(command, args, { stdio, env: {}, cwd: '/', detached: true, windowsHide: true });
  } catch (error) {
    return neverStarted(error as Error);
  }
}

/** Node.js reports some failures (`EAGAIN`, `EMFILE`) by an event and throws the others (`ENOMEM`, `E2BIG`). */
function neverStarted(error: Error): ChildProcess {
  const child = new ChildProcess();
  process.nextTick(() => {
    child.emit('error', error);
    child.emit('close', null, null);
  });
  return child;
}
