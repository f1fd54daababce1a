import { readFileSync, readlinkSync } from 'node:fs';

/** What the kernel says of a process, read from outside. */
export interface KernelView {
  pid: number;
  /** Whether it shares the IPC or the host name namespace with this process; undefined when this process may not look. */
  sharesIpc?: boolean;
  noNewPrivileges: boolean;
  /** All of its sets of capabilities together, as bits. */
  capabilities: bigint;
  /** Hard limits; Infinity where there is none. */
  limits: { processes: number; cpuSeconds: number; fileBytes: number; coreBytes: number; openFiles: number };
}

/** @throws Error when `/proc` does not show the process */
export function kernelView(pid: number): KernelView {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const limits = readFileSync(`/proc/${pid}/limits`, 'utf8');
  const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '';
  const most = (name: string): number => {
    const hard = new RegExp(`^${name} +\\S+ +(\\d+)`, 'm').exec(limits)?.[1];
    return hard === undefined ? Infinity : Number(hard);
  };
  return {
    pid,
    sharesIpc: shares(pid, 'ipc', 'uts'),
    noNewPrivileges: field('NoNewPrivs') === '1',
    capabilities: ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].reduce(
      (all, set) => all | BigInt(`0x${field(set) || '0'}`),
      0n,
    ),
    limits: {
      processes: most('Max processes'),
      cpuSeconds: most('Max cpu time'),
      fileBytes: most('Max file size'),
      coreBytes: most('Max core file size'),
      openFiles: most('Max open files'),
    },
  };
}

/** Only a process that may trace another one may see its namespaces. */
function shares(pid: number, ...namespaces: string[]): boolean | undefined {
  try {
    return namespaces.some((name) => readlinkSync(`/proc/${pid}/ns/${name}`) === readlinkSync(`/proc/self/ns/${name}`));
  } catch {
    return undefined;
  }
}
