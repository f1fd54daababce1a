import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { MissingWall } from '../../common/walls.js';
import { describeEnd, killConfined } from '../ending.js';
import { judge, unmeasured } from './judge.js';
import { kernelView } from './kernel-view.js';
import type { ProbeReport, ProbeTask } from './report.js';

export interface ProbeSetup extends Omit<ProbeTask, 'port'> {
  /** Absolute path of the probe, where the child can read it. */
  script: string;
  /** Starts Node.js behind the walls with these arguments and three pipes. */
  launch: (args: readonly string[]) => ChildProcess;
  /** The process id of what it started, see `Confinement.pidOf`. */
  pidOf: (child: ChildProcess) => number | undefined;
}

/** On a machine at its limits a start takes a second or two. */
const TIMEOUT_MS = 10_000;

/**
 * Starts a probe behind the walls, which tries what they forbid, and asks the kernel about it.
 * @returns walls that do not stand, and those that cannot be measured. Outside Linux there is nothing to measure.
 */
export async function measureWalls({ script, launch, pidOf, ...task }: ProbeSetup): Promise<MissingWall[]> {
  if (process.platform !== 'linux') return [];
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const child = launch([script, JSON.stringify({ port, ...task } satisfies ProbeTask)]);
  try {
    const seen = JSON.parse(await firstLine(child)) as ProbeReport;
    const pid = pidOf(child);
    if (pid === undefined) throw new Error('the kernel does not list the children of a process');
    return judge(seen, kernelView(pid), { uid: process.getuid?.() ?? 0 });
  } catch (error) {
    return unmeasured((error as Error).message);
  } finally {
    killConfined(child);
    server.close();
  }
}

/** @throws Error when the child ends, or the time is over, before a line is complete */
function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = '';
    let complaint = '';
    const deadline = setTimeout(() => reject(new Error(`the probe took longer than ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
    child.stderr?.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(0, 300)));
    child.stdout?.on('data', (chunk: Buffer) => {
      line += chunk.toString();
      if (line.endsWith('\n')) resolve(line);
    });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(deadline);
      reject(new Error(`the probe ended: ${complaint.trim() || describeEnd(code, signal)}`));
    });
  });
}
