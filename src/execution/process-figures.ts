import { readFileSync } from 'node:fs';

/** What the kernel says of a process, by `/proc`; undefined where there is no `/proc`, or no such process. */

/** CPU time of a process, all threads, ms, to 10 ms: `utime` and `stime` of proc(5). */
export function cpuMsOf(pid: number | undefined): number | undefined {
  const stat = procFile(pid, 'stat');
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields && (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

/** Resident memory of a process, bytes. */
export function residentBytesOf(pid: number | undefined): number | undefined {
  const kilobytes = /^VmRSS:\s*(\d+) kB$/m.exec(procFile(pid, 'status') ?? '')?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

function procFile(pid: number | undefined, name: 'stat' | 'status'): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return undefined;
  }
}

/** `USER_HZ`, which is 100 wherever Node.js runs on Linux. */
export const MS_PER_TICK = 10;
