import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { type MissingWall, type Wall, WALL_NAMES } from '../common/walls.js';
import { emptyRoot, filesInSight } from './empty-root.js';
import { FILTER_FD, type Measure } from './launch-line.js';
import type { ConfinementRequest } from './request.js';
import type { StagedScripts } from './staging.js';
import { hasUnusedUserIds } from './user-ids.js';

/** Measures for one purpose, best first; the first that works on this machine is taken. */
export type Alternatives = readonly Measure[];

/** One way to put up the walls: what is worth trying, and the walls that this way cannot give. */
export interface Plan {
  alternatives: Alternatives[];
  missing: MissingWall[];
}

/** Threads count, and Node.js has seven. */
export const MOST_PROCESSES = 16;
const FEW = [`--nproc=${MOST_PROCESSES}`];
/** The user of last resort, the same for all children. */
const NOBODY = 65534;

/**
 * The ways to put up the walls on this machine, best first. Another one is worth a try only where a wall is missing.
 */
export async function plansFor(request: ConfinementRequest, staged: StagedScripts): Promise<Plan[]> {
  const node = nodeMeasures(request, staged);
  if (process.platform !== 'linux') {
    const given = node.flatMap(([{ walls }]) => walls);
    const missing = WALL_NAMES.filter((wall) => !given.includes(wall)).map((wall) => ({ wall, reason: 'needs Linux' }));
    return [{ alternatives: node, missing }];
  }
  const root = await rootFolder(staged);
  const ways = process.getuid?.() === 0 ? waysOfRoot(root.args) : [unprivileged(root.args)];
  const noFilter: MissingWall[] = staged.filter ? [] : [{ wall: 'syscalls', reason: `none for ${process.arch}` }];
  const isWanted = ({ walls }: Measure): boolean => !walls.every((wall) => request.without?.includes(wall));
  return ways.map((way) => ({
    alternatives: [...way.alternatives, ...filter(staged), ...limits(request), ...node]
      .map((measures) => measures.filter(isWanted))
      .filter((measures) => measures.length > 0),
    missing: [...root.missing, ...way.missing, ...noFilter].filter(({ wall }) => !request.without?.includes(wall)),
  }));
}

const filter = ({ filter: path }: StagedScripts): Alternatives[] =>
  path ? [[{ walls: ['syscalls'], launch: { bwrap: ['--seccomp', String(FILTER_FD)] }, filter: path }]] : [];

/** Arguments for `bwrap`; the machine's own root folder where an empty one cannot be built. */
async function rootFolder(staged: StagedScripts): Promise<{ args: string[]; missing: MissingWall[] }> {
  try {
    return { args: emptyRoot(await filesInSight(staged)), missing: [] };
  } catch (error) {
    return { args: ['--ro-bind', '/', '/'], missing: [{ wall: 'files', reason: (error as Error).message }] };
  }
}

/** The one that can work comes first, since each costs a start. */
function waysOfRoot(root: readonly string[]): Plan[] {
  const ways = [privileged(root), withoutPrivileges(root)];
  return hasCapability(CAP_SYS_ADMIN) ? ways : ways.reverse();
}

/** Root gives each child namespaces and a user of its own, and takes root's powers from it. */
function privileged(root: readonly string[]): Plan {
  const spaces: Alternatives[] = [
    [{ walls: ['network'], launch: { unshare: ['--net'] } }],
    [{ walls: ['ipc'], launch: { unshare: ['--ipc', '--uts'] } }],
    [
      {
        walls: ['pids', 'files'],
        launch: { bwrap: ['--unshare-pid', '--die-with-parent', ...root] },
      },
      {
        walls: ['pids'],
        launch: { unshare: ['--pid', '--fork', '--kill-child', '--mount-proc'] },
      },
    ],
  ];
  const powers: Measure = { walls: ['capabilities'], launch: { setpriv: WITHOUT_CAPABILITIES } };
  if (!hasCapability(CAP_KILL)) {
    const missing: MissingWall[] = [{ wall: 'user', reason: 'without CAP_KILL the server could not end it' }];
    return { alternatives: [...spaces, [powers]], missing };
  }
  if (!hasUnusedUserIds()) {
    const nobody: Measure = { walls: ['user'], launch: { setpriv: as(NOBODY) } };
    return { alternatives: [...spaces, [nobody], [powers]], missing: [TOO_FEW_IDS] };
  }
  const own: Measure = { walls: ['user'], launch: { setpriv: as } };
  // The system counts by user, so that this takes a user for each child.
  const few: Measure = { walls: ['processes'], launch: { prlimit: FEW } };
  return { alternatives: [...spaces, [own], [few], [powers]], missing: [] };
}

/**
 * Root without CAP_SYS_ADMIN, where the system allows user namespaces: the child first becomes a user of its own, which then
 * makes the namespaces as any ordinary user does.
 */
function withoutPrivileges(root: readonly string[]): Plan {
  const plan = unprivileged(root);
  if (!hasCapability(CAP_KILL)) return plan;
  const isEachItsOwn = hasUnusedUserIds();
  const user: Measure = { walls: ['user'], launch: { become: isEachItsOwn ? as : as(NOBODY) } };
  const missing = plan.missing.filter(({ wall }) => wall !== 'user');
  return { alternatives: [[user], ...plan.alternatives], missing: isEachItsOwn ? missing : [...missing, TOO_FEW_IDS] };
}

const TOO_FEW_IDS: MissingWall = { wall: 'neighbours', reason: 'this user namespace has too few ids' };

const as = (id: number): string[] => [`--reuid=${id}`, `--regid=${id}`, '--clear-groups'];

const WITHOUT_CAPABILITIES = ['--bounding-set=-all', '--inh-caps=-all'];

/** An ordinary user needs a user namespace around all others, which most distributions allow. */
function unprivileged(root: readonly string[]): Plan {
  // From version 5.14 on the kernel counts the processes of a user in each user namespace by themselves.
  const counts = isKernel(5, 14);
  const few: Wall[] = counts ? ['processes'] : [];
  const prlimit = counts ? { prlimit: FEW } : {};
  const spaces = ['--user', '--map-current-user', '--keep-caps', '--net', '--ipc', '--uts'];
  const setpriv = [...WITHOUT_CAPABILITIES, '--ambient-caps=-all'];
  const alternatives: Alternatives = [
    {
      walls: ['network', 'ipc', 'pids', 'files', 'capabilities', ...few],
      launch: {
        bwrap: ['--unshare-user', '--unshare-net', '--unshare-ipc', '--unshare-uts', '--unshare-pid'].concat(
          '--die-with-parent',
          root,
        ),
        ...prlimit,
      },
    },
    {
      walls: ['network', 'ipc', 'pids', 'capabilities', ...few],
      launch: { unshare: [...spaces, '--pid', '--fork', '--kill-child', '--mount-proc'], setpriv, ...prlimit },
    },
    {
      walls: ['network', 'ipc', 'capabilities', ...few],
      launch: { unshare: spaces, setpriv, ...prlimit },
    },
  ];
  const missing: MissingWall[] = [{ wall: 'user', reason: 'only root can start a child as another user' }];
  if (!counts) {
    const reason = 'before version 5.14 the kernel counts all processes of one user together';
    missing.push({ wall: 'processes', reason });
  }
  return { alternatives: [alternatives], missing };
}

function isKernel(major: number, minor: number): boolean {
  const [ours = 0, oursMinor = 0] = release().split('.').map(Number);
  return ours > major || (ours === major && oursMinor >= minor);
}

const limits = (request: ConfinementRequest): Alternatives[] => [
  [{ walls: ['memory'], launch: { prlimit: [`--data=${memoryLimit(request)}`] } }],
  [
    {
      walls: ['limits'],
      launch: { prlimit: [`--cpu=${request.cpuSeconds}`, '--fsize=0', '--core=0', '--nofile=64'] },
    },
  ],
  [{ walls: ['privileges'], launch: { setpriv: ['--no-new-privs', '--pdeathsig=KILL'] } }],
];

/** Private writable memory of one child, bytes. */
export const memoryLimit = ({ memoryBytes }: ConfinementRequest): number => memoryBytes + reservedByEngine();

/** From version 22 on V8 maps its code range writable up front (measured: 528 MB more than version 20). */
const reservedByEngine = (): number => (Number.parseInt(process.versions.node, 10) >= 22 ? 528_000_000 : 0);

/** By their numbers in capabilities(7)'s header. Root needs the first to signal the processes of other users. */
const CAP_KILL = 5;
const CAP_SYS_ADMIN = 21;

/** Whether root has this power: containers may take it away. */
function hasCapability(number: number): boolean {
  try {
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 'ffffffff';
    return ((BigInt(`0x${effective}`) >> BigInt(number)) & 1n) === 1n;
  } catch {
    return true;
  }
}

function nodeMeasures(request: ConfinementRequest, { folder, preload }: StagedScripts): Alternatives[] {
  const permission = PERMISSION_OPTIONS.find(has) ?? PERMISSION_OPTIONS[1];
  const caps = [
    ...(request.wasmMaxMemoryPages ? [`--wasm-max-mem-pages=${request.wasmMaxMemoryPages}`] : []),
    ...(request.wasmMaxTableElements ? [`--wasm-max-table-size=${request.wasmMaxTableElements}`] : []),
  ];
  const stack = request.stackKb ? [`--stack-size=${request.stackKb}`] : [];
  const threads = request.poolThreads ? [`--v8-pool-size=${request.poolThreads}`] : [];
  const flags: Partial<Record<Wall, string[]>> = {
    heap: [`--max-old-space-size=${request.heapMb}`, '--expose-gc', ...stack, ...threads],
    permissions: [permission, `--allow-fs-read=${join(folder, '*')}`],
    code: [
      '--no-addons',
      '--disable-proto=delete',
      '--disallow-code-generation-from-strings',
      `--import=${preload}`,
      // Node.js 20 has no such flag; there the filter refuses the debugger its socket.
      ...(has('--disable-sigusr1') ? ['--disable-sigusr1'] : []),
    ],
    wasm: caps,
  };
  return Object.entries(flags)
    .filter(([, node]) => node.length > 0)
    .map(([wall, node]) => [{ walls: [wall as Wall], launch: { node } }]);
}

const has = (option: string): boolean => process.allowedNodeEnvironmentFlags.has(option);

/** They switch the permission model on, the newer one first. */
export const PERMISSION_OPTIONS = ['--permission', '--experimental-permission'];

/** Options that take all restrictions of the permission model back. */
export const EVERYTHING_PERMITTED = [
  '--allow-fs-read=*',
  '--allow-fs-write=*',
  '--allow-child-process',
  // Before version 25 the permission model does not know the network.
  ...(has('--allow-net') ? ['--allow-net'] : []),
];
