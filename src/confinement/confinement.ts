import { type ChildProcess, type StdioOptions } from 'node:child_process';
import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { MissingWall } from '../common/walls.js';
import { best, startFailed } from './choice.js';
import { filesInSight } from './empty-root.js';
import { describeEnd, killConfined } from './ending.js';
import { innermostOf } from './innermost.js';
import { argumentsOf, launch, type Measure, prefixOf, start, toolPath } from './launch-line.js';
import { unmeasured } from './measurement/judge.js';
import { measureWalls } from './measurement/measure-walls.js';
import { EVERYTHING_PERMITTED, memoryLimit, PERMISSION_OPTIONS, plansFor } from './measures.js';
import type { ConfinementRequest } from './request.js';
import { restore, stage, type StagedScripts } from './staging.js';
import { unusedUserId } from './user-ids.js';

/**
 * Starts Node.js child processes that handle hostile bytes, behind every wall this machine offers:
 *
 *   unshare …   no network (the permission model does not stop sockets), no System V IPC, own host name
 *   bwrap …     process ids of its own, a root folder with nothing in it but Node.js, its libraries and the scripts, and
 *               a filter of system calls
 *   prlimit …   memory, CPU time, no files written, no core dumps, few descriptors and processes
 *   setpriv …   a user and group that no other process has, no capabilities and none to be gained, dies with the server
 *   node …      permission model (reads its own scripts only), no add-ons, no `eval` or `vm`, caps on wasm memory and tables
 *
 * For an ordinary user `bwrap` makes all namespaces, inside a user namespace. The same holds for a root without
 * CAP_SYS_ADMIN, after a first `setpriv` made the child another user. Without `bwrap`, `unshare` gives process ids.
 *
 * Each line item is a *measure*. The machine decides which of them work: a container without CAP_SYS_ADMIN refuses
 * `unshare`, an ordinary user cannot become another, macOS has none of the tools. So the launch line is tried once before
 * anything relies on it: a probe starts behind it and tries what each wall forbids, see `measureWalls`. A measure that does
 * not work is left out. Its walls are reported in `missing`, and so are walls that the probe got through.
 *
 * The scripts are copied into a fresh world-readable folder first: the user the child becomes may not be able to enter
 * the server's own folder, and what the child may read is then its code and nothing else. Copies that were lost are made
 * anew, those of processes that were killed are removed.
 *
 * A confined child writes no files, opens none but its scripts and sees an empty environment: bytes reach it through
 * its standard streams, one of which may be a file that the server has opened.
 *
 * @param trialTimeoutMs of one trial
 * @throws AppError `internal` `CONFINEMENT_FAILED` when Node.js does not even start without any measure, or a trial takes
 *   too long twice: a slow machine is no reason to go without a wall until the next start
 */
export async function confine(request: ConfinementRequest, trialTimeoutMs = TRIAL_TIMEOUT_MS): Promise<Confinement> {
  const staged = stage(request.scripts);
  try {
    const measured = new Map<string, readonly MissingWall[]>();
    const visible = await filesInSight(staged).catch(() => []);
    const memoryBytes = memoryLimit(request);
    const measure = async (line: readonly Measure[]): Promise<TrialEnd> => {
      const found = await measureWalls({
        launch: (task) => launch(line, unusedUserId(), probeOf(staged, line, task), PIPES),
        pidOf: (child) => pidBehind(line, child),
        visible,
        folder: staged.folder,
        memoryBytes,
        timeoutMs: trialTimeoutMs,
      });
      if (found.end === 'measured') measured.set(nameOf(line), found.missing);
      return { late: found.end === 'late', complaint: found.end === 'refused' ? found.reason : undefined };
    };
    const { measures, missing } = await best(await plansFor(request, staged), {
      whole: (line) => trial(() => measure(line), trialTimeoutMs),
      quick: (line) => trial(() => quickTrial(line, trialTimeoutMs), trialTimeoutMs),
    });
    const known = new Set(missing.map(({ wall }) => wall));
    const found = measured.get(nameOf(measures)) ?? unmeasured('it was not tried');
    return new Confinement(staged, measures, [...missing, ...found.filter(({ wall }) => !known.has(wall))]);
  } catch (error) {
    await rm(staged.folder, { recursive: true, force: true });
    throw error;
  }
}

/** A launch line that has been tried, and the folder with its scripts. */
export class Confinement {
  /** Those that go on. */
  private readonly sweeps = new Set<Promise<void>>();
  private readonly removeFolder = () => rmSync(this.staged.folder, { recursive: true, force: true });

  constructor(
    private readonly staged: StagedScripts,
    private readonly measures: readonly Measure[],
    /** Walls that are missing on this machine; empty when there are all. */
    readonly missing: readonly MissingWall[],
  ) {
    process.once('exit', this.removeFolder);
  }

  /**
   * Starts a child. One that the system does not start has no `pid`, perhaps no streams, and says why by its events `error`
   * and `close`. The child is the first program of the launch line: `pidOf` finds the process that is confined.
   *
   * Processes that it has forked end with it. They are in its PID namespace, whose first process belongs to `bwrap`. Without
   * `bwrap`, those of its process group are killed and, where it has a user of its own, those of that user.
   *
   * @param program what to confine instead of Node.js with the scripts: a path below `folder`, and arguments
   */
  spawn(stdio: StdioOptions, program?: readonly string[]): ChildProcess {
    restore(this.staged);
    const user = unusedUserId();
    const child = launch(this.measures, user, program ?? runner(this.staged, this.measures), stdio);
    child.once('exit', () => {
      killConfined(child);
      if (!this.measures.some(endsSurvivors) && this.measures.some(isOwnUser)) this.sweep(user);
    });
    return child;
  }

  /** What the child may read: absolute path of the folder with the copies of its scripts. */
  get folder(): string {
    return this.staged.folder;
  }

  /**
   * The confined process itself, for `/proc`. Ask when the child is ready and has not run anything hostile yet, and keep the
   * answer. @returns undefined when the child has ended or the kernel lists no children (CONFIG_PROC_CHILDREN)
   */
  pidOf(child: ChildProcess): number | undefined {
    return pidBehind(this.measures, child);
  }

  /**
   * Kills all processes of `user` in one system call, so that no process can escape by forking. The killer stands behind the
   * child's own walls, since processes of the same user can trace it. It needs the parent's process ids, and must not fail
   * for a limit of processes.
   */
  private sweep(user: number): void {
    const line = prefixOf(
      this.measures.map(({ walls, launch: { become, unshare, setpriv } }) => ({
        walls,
        launch: {
          ...(become && { become }),
          ...(setpriv && { setpriv }),
          ...(unshare && !forks({ walls, launch: { unshare } }) && { unshare }),
        },
      })),
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

const isOwnUser = ({ launch: { become, setpriv } }: Measure): boolean =>
  [become, setpriv].some((args) => typeof args === 'function');

const PIPES: StdioOptions = ['pipe', 'pipe', 'pipe'];

const pidBehind = (measures: readonly Measure[], child: ChildProcess): number | undefined =>
  measures.some(forks) ? innermostOf(child.pid) : child.pid;

/** The first process of the namespace is `bwrap` itself, which ends with its parent, and all others end with it. */
const endsSurvivors = ({ launch: { bwrap } }: Measure): boolean => bwrap !== undefined;

/** Whether the confined process is a child of the one that is started. */
const forks = ({ launch: { bwrap, unshare } }: Measure): boolean =>
  bwrap !== undefined || (Array.isArray(unshare) && unshare.includes('--fork'));

/** A program that is in the empty root folder. */
const QUICK_PROGRAM = [toolPath('prlimit') ?? 'prlimit', '--version'];

/** How one trial ended: past its deadline, or else with a complaint or without. */
type TrialEnd = { late: boolean; complaint?: string };

/**
 * Makes an attempt. One that is late was not refused, so it is made once more.
 * @returns why it fails, or undefined
 * @throws AppError `CONFINEMENT_FAILED` when it is late again
 */
async function trial(attempt: () => Promise<TrialEnd>, timeoutMs: number): Promise<string | undefined> {
  for (let attempts = 0; attempts < 2; attempts++) {
    const end = await attempt();
    if (!end.late) return end.complaint;
  }
  throw startFailed(`it takes longer than ${timeoutMs} ms`);
}

/** Starts a small program behind `measures`, which ends by itself. */
function quickTrial(measures: readonly Measure[], timeoutMs: number): Promise<TrialEnd> {
  const child = launch(measures, unusedUserId(), QUICK_PROGRAM, ['ignore', 'ignore', 'pipe']);
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
      settle(said.split('\n').find((line) => /\w/.test(line)) ?? `it ends: ${describeEnd(code, signal)}`);
    });
  });
}

const TRIAL_TIMEOUT_MS = 10_000;

/** Node.js with the scripts. */
const runner = ({ node, entry }: StagedScripts, measures: readonly Measure[]): string[] => [
  node,
  ...argumentsOf('node', measures),
  '--no-warnings',
  entry,
];

/** Node.js with the probe: Node.js takes the same options, but its permission model stops nothing that a wall should stop. */
const probeOf = ({ node, probe }: StagedScripts, measures: readonly Measure[], task: string): string[] => {
  const options = argumentsOf('node', measures);
  const isRestricted = options.some((option) => PERMISSION_OPTIONS.includes(option));
  return [node, ...options, ...(isRestricted ? EVERYTHING_PERMITTED : []), '--no-warnings', probe, task];
};

/** Tells launch lines apart. */
const nameOf = (measures: readonly Measure[]): string =>
  JSON.stringify([prefixOf(measures, 0), argumentsOf('node', measures)]);
