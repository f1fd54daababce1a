import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Sandbox processes this process has started and not yet reaped; none where there is no `/proc`. */
export function sandboxProcesses(): { pid: number; residentBytes: number }[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        const status = readFileSync(`/proc/${entry}/status`, 'utf8');
        const resident = Number(field(status, 'VmRSS').split(' ')[0]) * 1024;
        const isOurs = Number(field(status, 'PPid')) === process.pid;
        const isSandbox = readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes('/sandbox/runner.js');
        return isOurs && isSandbox ? [{ pid: Number(entry), residentBytes: resident }] : [];
      } catch {
        return []; // It has ended meanwhile.
      }
    });
}

/** What a process sees and may, as the kernel tells it. */
export function wallsOf(pid: number) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    environment: readFileSync(`/proc/${pid}/environ`, 'utf8'),
    uid: Number(field(status, 'Uid').split('\t')[0]),
    groups: field(status, 'Groups').split(' ').filter(Boolean),
    capabilities: BigInt(`0x${field(status, 'CapBnd')}`) | BigInt(`0x${field(status, 'CapEff')}`),
    noNewPrivileges: field(status, 'NoNewPrivs') === '1',
    ownNetwork: readlinkSync(`/proc/${pid}/ns/net`) !== readlinkSync('/proc/self/ns/net'),
    /** What it has open beyond its three standard streams and its own scripts (while it starts), as paths. */
    files: readdirSync(`/proc/${pid}/fd`)
      .filter((fd) => Number(fd) > 2)
      .map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`))
      .filter((target) => !target.startsWith('anon_inode:') && !target.startsWith('pipe:') && !IS_NOTHING.test(target)),
  };
}

/** The null device, and the folder with the copies of its scripts, which is all it may read. */
const IS_NOTHING = /^\/dev\/null$|\/zerostate-confined-/;

const field = (status: string, name: string): string =>
  new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1].trim() ?? '';
