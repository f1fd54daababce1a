import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { emptyRoot, filesToRun } from './empty-root.js';
import { FILTER_FD, type Measure, toolPath } from './launch-line.js';
import type { ConfinementRequest } from './request.js';
import type { StagedScripts } from './staging.js';
import { hasUnusedUserIds } from './user-ids.js';

/** Measures for one purpose, best first; the first that works on this machine is taken. */
export type Alternatives = readonly Measure[];

/** What is worth trying here, and one line for everything that cannot work. */
export interface Plan {
  alternatives: Alternatives[];
  missing: string[];
}

export const NO_NETWORK = 'no network';
const OWN_IPC = 'IPC and host name of its own';
/** Processes that the child has started end with it, since they are in its PID namespace. */
const OWN_PROCESSES = 'process ids of its own';
const NO_FILES = 'no file of the machine in sight';
const NO_CAPABILITIES = 'no capabilities';
const FILTER = 'filter of system calls';
const FEW_PROCESSES = 'limit of processes';
export const OWN_USER = 'user of its own';

/** Threads count, of which Node.js has seven. */
const MOST_PROCESSES = '--nproc=16';
/** The user of last resort, the same for all children. */
const NOBODY = 65534;

export async function planFor(request: ConfinementRequest, staged: StagedScripts): Promise<Plan> {
  const node = nodeMeasures(request, staged.folder);
  if (process.platform !== 'linux') {
    return { alternatives: node, missing: ['no network, memory limit, user of its own: need Linux'] };
  }
  const root = await rootFolder(staged);
  const behind = process.getuid?.() === 0 ? privileged(root.args) : unprivileged(root.args);
  return {
    alternatives: [...behind.alternatives, ...filter(staged), ...limits(request), ...node],
    missing: [...root.missing, ...behind.missing, ...(staged.filter ? [] : [`${FILTER}: none for ${process.arch}`])],
  };
}

const filter = ({ filter: path }: StagedScripts): Alternatives[] =>
  path ? [[{ purposes: [FILTER], launch: { bwrap: ['--seccomp', String(FILTER_FD)] }, filter: path }]] : [];

/** Arguments for `bwrap`; the machine's own root folder where an empty one cannot be built. */
async function rootFolder({ folder, node }: StagedScripts): Promise<{ args: string[]; missing: string[] }> {
  const tools = (['prlimit', 'setpriv'] as const).flatMap((tool) => toolPath(tool) ?? []);
  try {
    return { args: emptyRoot([...(await filesToRun([node, ...tools])), folder]), missing: [] };
  } catch (error) {
    return { args: ['--ro-bind', '/', '/'], missing: [`${NO_FILES}: ${(error as Error).message}`] };
  }
}

/** Root gives each child namespaces and a user of its own, and takes root's powers from it. */
function privileged(root: readonly string[]): Plan {
  const spaces: Alternatives[] = [
    [{ purposes: [NO_NETWORK], launch: { unshare: ['--net'] } }],
    [{ purposes: [OWN_IPC], launch: { unshare: ['--ipc', '--uts'] } }],
    [
      {
        purposes: [OWN_PROCESSES, NO_FILES],
        launch: { bwrap: ['--unshare-pid', '--die-with-parent', ...root] },
      },
      {
        purposes: [OWN_PROCESSES],
        launch: { unshare: ['--pid', '--fork', '--kill-child', '--mount-proc'] },
      },
    ],
  ];
  const powers: Measure = { purposes: [NO_CAPABILITIES], launch: { setpriv: WITHOUT_CAPABILITIES } };
  if (!mayKillOthers()) {
    const missing = [`${OWN_USER}: without CAP_KILL the server could not end it`];
    return { alternatives: [...spaces, [powers]], missing };
  }
  const as = (id: number): string[] => [`--reuid=${id}`, `--regid=${id}`, '--clear-groups'];
  if (!hasUnusedUserIds()) {
    const missing = ['protection from one another: this user namespace has too few ids'];
    const nobody: Measure = { purposes: [OWN_USER], launch: { setpriv: as(NOBODY) } };
    return { alternatives: [...spaces, [nobody], [powers]], missing };
  }
  const own: Measure = { purposes: [OWN_USER], launch: { setpriv: as } };
  // The system counts by user, so that this takes a user for each child.
  const few: Measure = { purposes: [FEW_PROCESSES], launch: { prlimit: [MOST_PROCESSES] } };
  return { alternatives: [...spaces, [own], [few], [powers]], missing: [] };
}

const WITHOUT_CAPABILITIES = ['--bounding-set=-all', '--inh-caps=-all'];

/** An ordinary user needs a user namespace around all others, which most distributions allow. */
function unprivileged(root: readonly string[]): Plan {
  // From version 5.14 on the kernel counts the processes of a user in each user namespace by themselves.
  const counts = isKernel(5, 14);
  const few = counts ? [FEW_PROCESSES] : [];
  const prlimit = counts ? { prlimit: [MOST_PROCESSES] } : {};
  const spaces = ['--user', '--map-current-user', '--keep-caps', '--net', '--ipc', '--uts'];
  const setpriv = [...WITHOUT_CAPABILITIES, '--ambient-caps=-all'];
  const alternatives: Alternatives = [
    {
      purposes: [NO_NETWORK, OWN_IPC, OWN_PROCESSES, NO_FILES, NO_CAPABILITIES, ...few],
      launch: {
        bwrap: ['--unshare-user', '--unshare-net', '--unshare-ipc', '--unshare-uts', '--unshare-pid'].concat(
          '--die-with-parent',
          root,
        ),
        ...prlimit,
      },
    },
    {
      purposes: [NO_NETWORK, OWN_IPC, OWN_PROCESSES, NO_CAPABILITIES, ...few],
      launch: { unshare: [...spaces, '--pid', '--fork', '--kill-child', '--mount-proc'], setpriv, ...prlimit },
    },
    {
      purposes: [NO_NETWORK, OWN_IPC, NO_CAPABILITIES, ...few],
      launch: { unshare: spaces, setpriv, ...prlimit },
    },
  ];
  const missing = [`${OWN_USER}: only root can start a child as another user`];
  if (!counts) missing.push(`${FEW_PROCESSES}: the kernel counts those of one user together before version 5.14`);
  return { alternatives: [alternatives], missing };
}

function isKernel(major: number, minor: number): boolean {
  const [ours = 0, oursMinor = 0] = release().split('.').map(Number);
  return ours > major || (ours === major && oursMinor >= minor);
}

const limits = (request: ConfinementRequest): Alternatives[] => [
  [
    {
      purposes: ['memory limit'],
      launch: { prlimit: [`--data=${request.memoryBytes + reservedByEngine()}`] },
    },
  ],
  [
    {
      purposes: ['limits of CPU time, file size, core dumps and open files'],
      launch: { prlimit: [`--cpu=${request.cpuSeconds}`, '--fsize=0', '--core=0', '--nofile=64'] },
    },
  ],
  [
    {
      purposes: ['no new privileges, end with the server'],
      launch: { setpriv: ['--no-new-privs', '--pdeathsig=KILL'] },
    },
  ],
];

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

function nodeMeasures(request: ConfinementRequest, folder: string): Alternatives[] {
  const permission = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  const caps = [
    ...(request.wasmMaxMemoryPages ? [`--wasm-max-mem-pages=${request.wasmMaxMemoryPages}`] : []),
    ...(request.wasmMaxTableElements ? [`--wasm-max-table-size=${request.wasmMaxTableElements}`] : []),
  ];
  const stack = request.stackKb ? [`--stack-size=${request.stackKb}`] : [];
  const threads = request.poolThreads ? [`--v8-pool-size=${request.poolThreads}`] : [];
  const flags: Record<string, string[]> = {
    'heap limit': [`--max-old-space-size=${request.heapMb}`, ...stack, ...threads],
    'no file access': [permission, `--allow-fs-read=${join(folder, '*')}`],
    'no add-ons and no code from strings': [
      '--no-addons',
      '--disable-proto=delete',
      '--disallow-code-generation-from-strings',
    ],
    'caps on wasm memory and tables': caps,
  };
  return Object.entries(flags)
    .filter(([, node]) => node.length > 0)
    .map(([purpose, node]) => [{ purposes: [purpose], launch: { node } }]);
}

/** From version 22 on V8 maps its code range writable up front (measured: 528 MB more than version 20). */
const reservedByEngine = (): number => (Number.parseInt(process.versions.node, 10) >= 22 ? 528_000_000 : 0);
