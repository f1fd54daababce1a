import { ChildProcess, spawn, type StdioOptions } from 'node:child_process';
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from './app-error.js';
import { hasUnusedUserIds, unusedUserId } from './user-ids.js';

/**
 * Starts Node.js child processes that handle hostile bytes, behind every wall this machine offers:
 *
 *   unshare …   no network (the permission model does not stop sockets), no System V IPC, own host name
 *   prlimit …   memory, CPU time, no files written, no core dumps, few descriptors and processes
 *   setpriv …   a user and group that no other process has, no capabilities and none to be gained, dies with the server
 *   node …      permission model (reads its own scripts only), no add-ons, no `eval`, caps on wasm memory and tables
 *
 * Each line item is a *measure*. Which of them work depends on the machine (a container without CAP_SYS_ADMIN refuses
 * `unshare`, an ordinary user cannot become another, macOS has none of the tools), so the launch line is tried once,
 * with the real scripts, before anything relies on it. What does not work is left out and reported in `missing`.
 *
 * The scripts are copied into a fresh world-readable folder first: the user the child becomes may not be able to enter
 * the server's own folder, and what the child may read is then its code and nothing else. Copies that were lost are made
 * anew, those of processes that were killed are removed.
 *
 * A confined child writes no files, opens none but its scripts and sees an empty environment: bytes reach it through
 * its standard streams, one of which may be a file that the server has opened.
 *
 * @param trialTimeoutMs of one trial
 * @throws AppError `internal` `CONFINEMENT_FAILED` when the scripts do not even start without any measure, or a trial takes
 *   too long twice: a slow machine is no reason to go without a wall until the next start
 */
export async function confine(request: ConfinementRequest, trialTimeoutMs = TRIAL_TIMEOUT_MS): Promise<Confinement> {
  const staged = stage(request.scripts);
  const { possible, missing } = measuresFor(request, staged);
  const refusal = (measures: readonly Measure[]) => trial(staged, measures, trialTimeoutMs);
  try {
    if (!(await refusal(possible))) return new Confinement(staged, possible, missing);
    const working: Measure[] = [];
    const failure = await refusal(working);
    if (failure) throw failed(failure);
    for (const measure of possible) {
      const reason = await refusal([...working, measure]);
      if (reason) missing.push(`${measure.purpose}: ${reason}`);
      else working.push(measure);
    }
    return new Confinement(staged, working, missing);
  } catch (error) {
    await rm(staged.folder, { recursive: true, force: true });
    throw error;
  }
}

export interface ConfinementRequest {
  /** Compiled ES modules the child needs, its entry first. They are copied with their places relative to each other. */
  scripts: readonly URL[];
  /** V8's stack, KiB; unset: its own choice, 984. The system's limit (usually 8 MiB) must leave room above it. */
  stackKb?: number;
  /** V8's threads for compiling and collecting garbage, beside the one that runs the script; unset: its own choice, 4. */
  poolThreads?: number;
  /** V8's old space, MiB; at least twice the wasm memory, or every `memory.grow` triggers a collection. */
  heapMb: number;
  /** Private writable memory, bytes; what the running version of V8 reserves without using it is added. */
  memoryBytes: number;
  /** CPU time of the whole life of one child, seconds. */
  cpuSeconds: number;
  /** Pages of 64 KiB one wasm memory may have; unset: V8's own maximum. */
  wasmMaxMemoryPages?: number;
  /** Elements one wasm table may have; unset: V8's own maximum. */
  wasmMaxTableElements?: number;
}

/** A launch line that has been tried, and the folder with its scripts. */
export class Confinement {
  /** Those that go on. */
  private readonly sweeps = new Set<Promise<void>>();
  private readonly removeFolder = () => rmSync(this.staged.folder, { recursive: true, force: true });

  constructor(
    private readonly staged: StagedScripts,
    private readonly measures: readonly Measure[],
    /** One line per measure that is off on this machine, with the reason; empty when every wall stands. */
    readonly missing: readonly string[],
  ) {
    process.once('exit', this.removeFolder);
  }

  /**
   * Starts a child. One that the system does not start has no `pid`, perhaps no streams, and tells why by its events `error`
   * and `close`. What it has forked ends with it: all of its process group and, where it has a user of its own, of that user.
   */
  spawn(stdio: StdioOptions): ChildProcess {
    restore(this.staged);
    const user = unusedUserId();
    const child = launch(this.staged, this.measures, user, [], stdio);
    child.once('exit', () => {
      killConfined(child);
      if (this.measures.some(isOwnUser)) this.sweep(user);
    });
    return child;
  }

  /**
   * Kills whatever is `user` still, in one system call, so that nothing can fork itself out of it. Behind the child's own
   * walls: what is to be killed can trace who is the same user. Only the number of processes must not keep it out.
   */
  private sweep(user: number): void {
    const line = behind(
      this.measures.filter((measure) => measure !== FEW_PROCESSES),
      user,
    );
    const sweep = new Promise<void>((resolve) => {
      const sweeper = start([...line, '/bin/sh', '-c', 'kill -KILL -1'], 'ignore');
      sweeper.once('error', () => resolve());
      sweeper.once('close', () => resolve());
    }).finally(() => this.sweeps.delete(sweep));
    this.sweeps.add(sweep);
  }

  /** Removes the folder with the scripts; no child can be started afterwards. Resolves when all has ended that children left. */
  async release(): Promise<void> {
    process.off('exit', this.removeFolder);
    await Promise.all(this.sweeps);
    // A process that is just being started may put something into it meanwhile.
    await rm(this.staged.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Kills a child and what it has forked, unless that has left its process group: a child leads one of its own. */
export function killConfined(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // Nobody is left in the group, or the system knows none.
    child.kill('SIGKILL');
  }
}

interface Measure {
  /** What is not guaranteed without it, for a person. */
  purpose: string;
  tool: Tool | 'node';
  /** A function where each child is another user. */
  args: readonly string[] | ((user: number) => readonly string[]);
}

const isOwnUser = ({ args }: Measure): boolean => typeof args === 'function';

/** Threads count, of which Node.js has seven. The system counts by user, so it takes one for each child. */
const FEW_PROCESSES: Measure = { purpose: 'limit of processes', tool: 'prlimit', args: ['--nproc=16'] };

/** In the order in which they stand on the launch line, before Node.js. */
const TOOLS = ['unshare', 'prlimit', 'setpriv'] as const;
type Tool = (typeof TOOLS)[number];

interface StagedScripts {
  folder: string;
  /** Absolute paths of every file that is copied into it, and of the copies. */
  copies: readonly { from: string; to: string }[];
  /** Absolute path of the entry's copy. */
  entry: string;
  /** Absolute path of a Node.js binary that any user may execute, where there is one. */
  node: string;
}

/** The user of last resort, the same for all children. */
const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

/** Measures worth trying here, and the lines for those that cannot work. */
function measuresFor(request: ConfinementRequest, staged: StagedScripts): { possible: Measure[]; missing: string[] } {
  const node = nodeMeasures(request, staged.folder);
  if (process.platform !== 'linux') {
    return { possible: node, missing: ['no network, memory limit, user of its own: need Linux'] };
  }
  // Without root a network namespace needs a user namespace around it, which most distributions allow.
  const namespace = isRoot ? ['--net'] : ['--user', '--map-current-user', '--net'];
  const everywhere: Measure[] = [
    { purpose: 'no network', tool: 'unshare', args: namespace },
    { purpose: 'IPC and host name of its own', tool: 'unshare', args: ['--ipc', '--uts'] },
    { purpose: 'memory limit', tool: 'prlimit', args: [`--data=${request.memoryBytes + reservedByEngine()}`] },
    {
      purpose: 'limits of CPU time, file size, core dumps and open files',
      tool: 'prlimit',
      args: [`--cpu=${request.cpuSeconds}`, '--fsize=0', '--core=0', '--nofile=64'],
    },
    {
      purpose: 'no new privileges, end with the server',
      tool: 'setpriv',
      args: ['--no-new-privs', '--pdeathsig=KILL'],
    },
  ];
  const noCapabilities: Measure = {
    purpose: 'no capabilities',
    tool: 'setpriv',
    args: ['--bounding-set=-all', '--inh-caps=-all'],
  };
  const as = (id: number): string[] => [`--reuid=${id}`, `--regid=${id}`, '--clear-groups'];
  const eachItsOwn = hasUnusedUserIds();
  const ownUser: Measure = {
    purpose: 'user of its own',
    tool: 'setpriv',
    args: eachItsOwn ? as : as(NOBODY),
  };
  if (!isRoot) {
    const missing = [`${ownUser.purpose}: only root can start a child as another user`];
    return { possible: [...everywhere, ...node], missing };
  }
  if (!mayKillOthers()) {
    const missing = [`${ownUser.purpose}: without CAP_KILL the server could not end it`];
    return { possible: [...everywhere, noCapabilities, ...node], missing };
  }
  const missing = eachItsOwn ? [] : ['protection from one another: this user namespace has too few ids'];
  const few = eachItsOwn ? [FEW_PROCESSES] : [];
  return { possible: [...everywhere, ownUser, ...few, noCapabilities, ...node], missing };
}

/** Whether root may signal another user's processes: containers may take that from it, capabilities(7). */
function mayKillOthers(): boolean {
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 'ffffffff';
    return (BigInt(`0x${effective}`) & CAP_KILL) !== 0n;
  } catch {
    return true;
  }
}

const CAP_KILL = 1n << 5n;

function nodeMeasures(request: ConfinementRequest, folder: string): Measure[] {
  const permission = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  const caps = [
    ...(request.wasmMaxMemoryPages ? [`--wasm-max-mem-pages=${request.wasmMaxMemoryPages}`] : []),
    ...(request.wasmMaxTableElements ? [`--wasm-max-table-size=${request.wasmMaxTableElements}`] : []),
  ];
  const stack = request.stackKb ? [`--stack-size=${request.stackKb}`] : [];
  const threads = request.poolThreads ? [`--v8-pool-size=${request.poolThreads}`] : [];
  return [
    { purpose: 'heap limit', tool: 'node', args: [`--max-old-space-size=${request.heapMb}`, ...stack, ...threads] },
    { purpose: 'no file access', tool: 'node', args: [permission, `--allow-fs-read=${join(folder, '*')}`] },
    {
      purpose: 'no add-ons and no code from strings',
      tool: 'node',
      args: ['--no-addons', '--disable-proto=delete', '--disallow-code-generation-from-strings'],
    },
    ...(caps.length > 0 ? [{ purpose: 'caps on wasm memory and tables', tool: 'node' as const, args: caps }] : []),
  ];
}

/** From version 22 on V8 maps its code range writable up front (measured: 528 MB more than version 20). */
const reservedByEngine = (): number => (Number.parseInt(process.versions.node, 10) >= 22 ? 528_000_000 : 0);

/**
 * Starts the entry behind `measures` as far as parsing it. Nothing was refused by what is not done in time, so that is tried
 * once more.
 * @returns why that fails, or undefined
 * @throws AppError `CONFINEMENT_FAILED` when it is not done in time again
 */
async function trial(
  staged: StagedScripts,
  measures: readonly Measure[],
  timeoutMs: number,
): Promise<string | undefined> {
  for (let attempt = 0; attempt < 2; attempt++) {
    const end = await check(staged, measures, timeoutMs);
    if (!end.late) return end.complaint;
  }
  throw failed(`it takes longer than ${timeoutMs} ms`);
}

/** How one trial ended: past its deadline, or else with a complaint or without. */
type TrialEnd = { late: boolean; complaint?: string };

function check(staged: StagedScripts, measures: readonly Measure[], timeoutMs: number): Promise<TrialEnd> {
  const child = launch(staged, measures, unusedUserId(), ['--check'], ['ignore', 'ignore', 'pipe']);
  let late = false;
  const deadline = setTimeout(() => {
    late = true;
    killConfined(child);
  }, timeoutMs);
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(0, 2000)));
  return new Promise((resolve) => {
    const settle = (complaint?: string): void => {
      clearTimeout(deadline);
      resolve({ late: late && complaint !== undefined, complaint });
    };
    child.once('error', (error) => settle(error.message));
    child.once('close', (code, signal) => {
      if (code === 0) return settle();
      settle(said.split('\n').find((line) => /\w/.test(line)) ?? `it ends with ${signal ?? `exit code ${code}`}`);
    });
  });
}

const TRIAL_TIMEOUT_MS = 10_000;

const failed = (how: string): AppError =>
  new AppError('internal', 'CONFINEMENT_FAILED', `A child process does not start: ${how}.`);

function launch(
  staged: StagedScripts,
  measures: readonly Measure[],
  user: number,
  checkOnly: readonly ['--check'] | readonly [],
  stdio: StdioOptions,
): ChildProcess {
  const flags = argsOf('node', measures, user);
  return start([...behind(measures, user), staged.node, ...flags, '--no-warnings', ...checkOnly, staged.entry], stdio);
}

/** The beginning of a launch line, up to what runs behind the measures. */
const behind = (measures: readonly Measure[], user: number): string[] =>
  TOOLS.flatMap((tool) => {
    const args = argsOf(tool, measures, user);
    return args.length > 0 ? [toolPath(tool), ...args, '--'] : [];
  });

const argsOf = (tool: Tool | 'node', measures: readonly Measure[], user: number): string[] =>
  measures
    .filter((measure) => measure.tool === tool)
    .flatMap(({ args }) => (typeof args === 'function' ? args(user) : args));

function start([command, ...args]: readonly string[], stdio: StdioOptions): ChildProcess {
  try {
    // Detached: a Ctrl-C in the server's terminal must not reach the child while the server still drains.
    return spawn(command, args, { stdio, env: {}, cwd: '/', detached: true, windowsHide: true });
  } catch (error) {
    return neverStarted(error as Error);
  }
}

/** Node.js tells of some failures (`EAGAIN`, `EMFILE`) by an event, and throws the others (`ENOMEM`, `E2BIG`). */
function neverStarted(error: Error): ChildProcess {
  const child = new ChildProcess();
  process.nextTick(() => {
    child.emit('error', error);
    child.emit('close', null, null);
  });
  return child;
}

/** The child has no PATH to search. A tool that is in none of the usual places fails its trial by name. */
const toolPath = (tool: Tool): string =>
  ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin']
    .map((folder) => join(folder, tool))
    .find((path) => statSync(path, { throwIfNoEntry: false })) ?? tool;

function stage(scripts: readonly URL[]): StagedScripts {
  const sources = scripts.map((url) => fileURLToPath(url));
  const root = commonFolder(sources);
  const place = [tmpdir(), '/tmp', '/var/tmp', '/dev/shm'].find(isOpenToAll) ?? tmpdir();
  removeAbandoned(place);
  const folder = mkdtempSync(join(place, `${FOLDER_PREFIX}${process.pid}-`));
  const copies = sources.map((source) => ({ from: source, to: join(folder, relative(root, source)) }));
  const staged = { folder, copies, entry: copies[0].to, node: process.execPath };
  // Root's own Node.js often lives where nobody else may go (`/root/.nvm`): a child that gives root up needs a copy.
  if (isRoot && !isOpenToAll(process.execPath)) {
    staged.node = join(folder, 'node');
    copies.push({ from: process.execPath, to: staged.node });
  }
  fill(staged);
  return staged;
}

function fill({ folder, copies, node }: StagedScripts): void {
  chmodSync(folder, 0o755);
  for (const { from, to } of copies) {
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(from, to, constants.COPYFILE_FICLONE);
    chmodSync(to, to === node ? 0o755 : 0o644);
  }
  writeFileSync(modulesMark(folder), '{"type":"module"}', { mode: 0o644 });
}

const modulesMark = (folder: string): string => join(folder, 'package.json');

/**
 * Cleaners of temporary files take what nobody has touched for days, which are the scripts of a server whose processes all
 * run. They are then copied again, into a folder that nobody else can have made meanwhile: its name is no secret.
 */
function restore(staged: StagedScripts): void {
  const { folder, copies } = staged;
  if (isOurs(folder) && [modulesMark(folder), ...copies.map(({ to }) => to)].every((path) => existsSync(path))) return;
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    fill(staged);
  } catch {
    // The child then finds nothing to run, which is told as of any other that ends before it is ready.
  }
}

/** Folders of processes that were killed: with the pid in their names goes the namespace in which it means something. */
function removeAbandoned(place: string): void {
  for (const name of readdirSync(place)) {
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
