import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hasUnusedUserIds } from '../../src/confinement/user-ids.js';

export interface Seen {
  pid: number;
  residentBytes: number;
  /** Whether it has gone through all of its launch line: until then it is one of the tools that put up the walls. */
  launched: boolean;
}

/**
 * Sandbox processes that this process has started and not yet reaped; none where there is no `/proc`. A tool of the launch
 * line that waits for its child is not one of them, so that each counts once.
 */
export function sandboxProcesses(): Seen[] {
  if (process.platform !== 'linux') return [];
  const all = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap(look);
  const parents = new Map(all.map(({ pid, parent }) => [pid, parent]));
  const isOurs = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === process.pid || isOurs(parents.get(pid)));
  const runners = all.filter(({ pid, commandLine }) => commandLine.includes('/sandbox/runner.js') && isOurs(pid));
  const waiting = new Set(runners.map(({ parent }) => parent));
  return runners
    .filter(({ pid }) => !waiting.has(pid))
    .map(({ pid, residentBytes, commandLine }) => ({ pid, residentBytes, launched: !TOOL.test(commandLine) }));
}

const TOOL = /^[^\0]*(unshare|bwrap|prlimit|setpriv)\0/;

function look(entry: string): { pid: number; parent: number; residentBytes: number; commandLine: string }[] {
  try {
    const status = readFileSync(`/proc/${entry}/status`, 'utf8');
    const commandLine = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
    const residentBytes = Number(field(status, 'VmRSS').split(' ')[0]) * 1024;
    return [{ pid: Number(entry), parent: Number(field(status, 'PPid')), residentBytes, commandLine }];
  } catch {
    return []; // It has ended meanwhile.
  }
}

/** What a process sees and may, as the kernel tells it. */
export function wallsOf(pid: number) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
  /** The hard limit, which cannot be raised again. */
  const most = (name: string): number | 'unlimited' => {
    const value = new RegExp(`^${name} +\\S+ +(\\S+)`, 'm').exec(limits)?.[1];
    return value === 'unlimited' ? value : Number(value);
  };
  const isOwn = (namespace: string): boolean =>
    readlinkSync(`/proc/${pid}/ns/${namespace}`) !== readlinkSync(`/proc/self/ns/${namespace}`);
  const ids = (name: string): number[] => [...new Set(field(status, name).split('\t').map(Number))];
  return {
    environment: readFileSync(`/proc/${pid}/environ`, 'utf8'),
    /** Real, effective, saved and of the file system, each different one once. */
    uids: ids('Uid'),
    gids: ids('Gid'),
    groups: field(status, 'Groups').split(' ').filter(Boolean),
    capabilities: ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].reduce(
      (all, set) => all | BigInt(`0x${field(status, set)}`),
      0n,
    ),
    noNewPrivileges: field(status, 'NoNewPrivs') === '1',
    filtered: field(status, 'Seccomp') === '2',
    ownProcesses: isOwn('pid'),
    /** What it sees in its root folder, as far as the kernel shows it to this process. */
    rootFolders: entriesOf(`/proc/${pid}/root`),
    ownNetwork: isOwn('net'),
    ownIpc: isOwn('ipc'),
    ownHostName: isOwn('uts'),
    limits: {
      cpuSeconds: most('Max cpu time'),
      fileBytes: most('Max file size'),
      coreBytes: most('Max core file size'),
      openFiles: most('Max open files'),
      processes: most('Max processes'),
      memoryBytes: most('Max data size'),
    },
    /** V8's, beside the one that runs the agent. */
    poolThreads: Number(/--v8-pool-size=(\d+)/.exec(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.[1]),
    /** What it has open beyond its three standard streams and its own scripts (while it starts), as paths. */
    files: readdirSync(`/proc/${pid}/fd`)
      .filter((fd) => Number(fd) > 2)
      .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
      .filter((target) => !target.startsWith('anon_inode:') && !target.startsWith('pipe:') && !IS_NOTHING.test(target)),
  };
}

/** Only root may look into the root folder of another process. */
function entriesOf(folder: string): string[] {
  return process.getuid?.() === 0 ? readdirSync(folder) : [];
}

/** Whether every wall can stand here: for a root with these powers, where the kernel gives it namespaces. */
export function canHaveEveryWall(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const effective = BigInt(`0x${field(readFileSync('/proc/self/status', 'utf8'), 'CapEff')}`);
  const hasPowers = POWERS.every((capability) => (effective >> BigInt(capability)) & 1n);
  return (
    hasPowers && hasUnusedUserIds() && spawnSync('bwrap', ['--unshare-all', '--ro-bind', '/', '/', 'true']).status === 0
  );
}

/** KILL, SETGID, SETUID, SETPCAP, SYS_ADMIN, by their numbers in capabilities(7)'s header. */
const POWERS = [5, 6, 7, 8, 21];

/** The null device, and the folder with the copies of its scripts, which is all it may read. */
const IS_NOTHING = /^\/dev\/null$|\/zerostate-confined-/;

const field = (status: string, name: string): string =>
  new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1].trim() ?? '';
