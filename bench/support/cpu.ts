import { readdirSync, readFileSync } from 'node:fs';

/** `USER_HZ`, which is 100 wherever Node.js runs on Linux. */
const MS_PER_TICK = 10;

interface ProcessTimes {
  parent: number;
  /** CPU time of the process itself, ms. */
  ownMs: number;
  /** Of its children that have ended, ms. */
  reapedMs: number;
}

/** CPU time a process has used, its living and its ended descendants apart; undefined where there is no `/proc`. */
export function cpuTime(pid: number): { ownMs: number; descendantsMs: number } | undefined {
  const processes = readProcesses();
  const root = processes.get(pid);
  if (!root) return undefined;
  const descendantsOf = (parent: number): number =>
    [...processes]
      .filter(([, times]) => times.parent === parent)
      .reduce((sum, [child, times]) => sum + times.ownMs + times.reapedMs + descendantsOf(child), 0);
  return { ownMs: root.ownMs, descendantsMs: root.reapedMs + descendantsOf(pid) };
}

function readProcesses(): Map<number, ProcessTimes> {
  const processes = new Map<number, ProcessTimes>();
  for (const name of process.platform === 'linux' ? readdirSync('/proc') : []) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      // After the command, which may hold spaces: state ppid … utime stime cutime cstime, proc(5).
      const fields = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number);
      processes.set(Number(name), {
        parent: fields[1],
        ownMs: (fields[11] + fields[12]) * MS_PER_TICK,
        reapedMs: (fields[13] + fields[14]) * MS_PER_TICK,
      });
    } catch {
      // It has ended meanwhile.
    }
  }
  return processes;
}
