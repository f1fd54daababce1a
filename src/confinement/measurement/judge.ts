import type { MissingWall, Wall } from '../../common/walls.js';
import { MOST_PROCESSES } from '../measures.js';
import type { KernelView } from './kernel-view.js';
import type { ProbeReport } from './report.js';

/** What is wrong with a wall; nothing when it stands. */
type Judge = (seen: ProbeReport, kernel: KernelView, server: { uid: number }) => string | false;

function unfiltered({ connect, fork }: ProbeReport): string | false {
  if (connect !== 'EPERM') return `connect answered ${connect}`;
  return fork !== 'EPERM' && `fork answered ${fork}`;
}

/** Each wall that the probe or the kernel can tell about. The walls of Node.js itself are flags that it takes or refuses. */
const JUDGES: Partial<Record<Wall, Judge>> = {
  network: ({ connect }) => connect === 'done' && 'a connection to the server succeeded',
  // Where the kernel does not show namespaces, the filter decides: it refuses every call of System V IPC.
  ipc: (seen, { sharesIpc }) => (sharesIpc ?? unfiltered(seen) !== false) && "it is in the server's namespace",
  pids: ({ pid }, kernel) => pid === kernel.pid && "it has an id among the machine's processes",
  files: ({ sees, makes }) =>
    (sees.length > 0 && `it sees ${sees.slice(0, 3).join(', ')}`) ||
    (makes.length > 0 && `it can make files in ${makes.slice(0, 3).join(', ')}`),
  syscalls: unfiltered,
  memory: ({ allocate }) => allocate === 'done' && 'it got more memory than the limit',
  limits: (_, { limits: { cpuSeconds, fileBytes, coreBytes, openFiles } }) =>
    !(cpuSeconds < Infinity && fileBytes === 0 && coreBytes === 0 && openFiles < Infinity) && 'a limit is not set',
  processes: (_, { limits }) => limits.processes > MOST_PROCESSES && `it may have ${limits.processes} processes`,
  privileges: (_, { noNewPrivileges }) => !noNewPrivileges && 'it may gain privileges',
  user: ({ uid }, _, server) => uid === server.uid && "it is the server's user",
  capabilities: ({ becomeRoot, uid }, { capabilities }) =>
    (capabilities !== 0n && 'it has capabilities') || (becomeRoot === 'done' && uid !== 0 && 'it could become root'),
};

/** The walls that do not stand, by what the probe could do and what the kernel says of it. */
export function judge(seen: ProbeReport, kernel: KernelView, server: { uid: number }): MissingWall[] {
  return Object.entries(JUDGES).flatMap(([wall, fault]) => {
    const reason = fault(seen, kernel, server);
    return reason ? [{ wall: wall as Wall, reason: `measured: ${reason}` }] : [];
  });
}

/** For a probe that did not report: nothing can be said of these walls. */
export const unmeasured = (why: string): MissingWall[] =>
  Object.keys(JUDGES).map((wall) => ({ wall: wall as Wall, reason: `it cannot be measured: ${why}` }));
