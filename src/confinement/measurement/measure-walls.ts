import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import type { MissingWall } from '../../common/walls.js';
import { describeEnd, killConfined } from '../ending.js';
import { judge, unmeasured } from './judge.js';
import { kernelView } from './kernel-view.js';
import type { ProbeReport, ProbeTask } from './report.js';

export interface ProbeSetup extends Omit<ProbeTask, 'port'> {
  /** Starts the probe behind the walls with this argument and three pipes. */
  launch: (task: string) => ChildProcess;
  /** The process id of what it started, see `Confinement.pidOf`. */
  pidOf: (child: ChildProcess) => number | undefined;
  timeoutMs: number;
}

export type Measurement =
  /** The probe has started. Missing are walls that do not stand, and those that cannot be measured. */
  | { end: 'measured'; missing: MissingWall[] }
  /** It did not start, or ended before it could report. */
  | { end: 'refused'; reason: string }
  | { end: 'late' };

/**
 * Starts a probe behind the walls, which tries what they forbid, and asks the kernel about it. Outside Linux it only has to
 * start: there is nothing to measure.
 */
export async function measureWalls({ launch, pidOf, timeoutMs, ...task }: ProbeSetup): Promise<Measurement> {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const child = launch(JSON.stringify({ port, ...task } satisfies ProbeTask));
  try {
    const said = await firstLine(child, timeoutMs);
    if (typeof said !== 'string') return said;
    return { end: 'measured', missing: process.platform === 'linux' ? missingWalls(said, pidOf(child)) : [] };
  } finally {
    killConfined(child);
    server.close();
  }
}

function missingWalls(report: string, pid: number | undefined): MissingWall[] {
  try {
    if (pid === undefined) throw new Error('the kernel does not list the children of a process');
    return judge(JSON.parse(report) as ProbeReport, kernelView(pid), { uid: process.getuid?.() ?? 0 });
  } catch (error) {
    return unmeasured((error as Error).message);
  }
}

/** @returns a complete line, or how the child ended without one */
function firstLine(child: ChildProcess, timeoutMs: number): Promise<string | Measurement> {
  return new Promise((resolve) => {
    let line = '';
    let complaint = '';
    const deadline = setTimeout(() => resolve({ end: 'late' }), timeoutMs);
    const settle = (end: string | Measurement): void => {
      clearTimeout(deadline);
      resolve(end);
    };
    child.stderr?.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(0, 2000)));
    child.stdout?.on('data', (chunk: Buffer) => {
      line += chunk.toString();
      if (line.endsWith('\n')) settle(line);
    });
    child.once('error', ({ message }) => settle({ end: 'refused', reason: message }));
    child.once('close', (code, signal) => {
      const first = complaint.split('\n').find((text) => /\w/.test(text));
      settle({ end: 'refused', reason: first ?? `it ends: ${describeEnd(code, signal)}` });
    });
  });
}
