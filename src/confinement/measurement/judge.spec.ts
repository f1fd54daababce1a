import { describe, expect, it } from '@jest/globals';
import { judge, unmeasured } from './judge.js';
import type { KernelView } from './kernel-view.js';
import type { ProbeReport } from './report.js';

const SERVER = { uid: 0 };
const seen: ProbeReport = {
  pid: 2,
  uid: 1_900_000_000,
  connect: 'EPERM',
  fork: 'EPERM',
  becomeRoot: 'EPERM',
  allocate: 'RangeError',
  sees: [],
  makes: [],
};
const kernel: KernelView = {
  pid: 4711,
  sharesIpc: false,
  noNewPrivileges: true,
  capabilities: 0n,
  limits: { processes: 16, cpuSeconds: 60, fileBytes: 0, coreBytes: 0, openFiles: 64 },
};

const missing = (change: Partial<ProbeReport>, kernelChange: Partial<KernelView> = {}): string[] =>
  judge({ ...seen, ...change }, { ...kernel, ...kernelChange }, SERVER).map(({ wall }) => wall);

describe('the judgement of what a probe could do', () => {
  it('finds no wall missing when every attempt failed', () => {
    expect(missing({})).toEqual([]);
  });

  it.each<[string, string[], Partial<ProbeReport>, Partial<KernelView>?]>([
    ['a connection', ['network', 'syscalls'], { connect: 'done' }],
    ['an unfiltered connection that no network answers', ['syscalls'], { connect: 'ENETUNREACH' }],
    ['a fork', ['syscalls'], { fork: 'done' }],
    ["the server's process ids", ['pids'], { pid: 4711 }],
    ['a foreign file', ['files'], { sees: ['/etc/passwd'] }],
    ['a new folder', ['files'], { makes: ['/tmp'] }],
    ['memory beyond the limit', ['memory'], { allocate: 'done' }],
    ["the server's user", ['user'], { uid: SERVER.uid }],
    ['the way back to root', ['capabilities'], { becomeRoot: 'done' }],
    ['a capability', ['capabilities'], {}, { capabilities: 1n }],
    ["the server's System V IPC", ['ipc'], {}, { sharesIpc: true }],
    ['new privileges', ['privileges'], {}, { noNewPrivileges: false }],
    ['any number of processes', ['processes'], {}, { limits: { ...kernel.limits, processes: Infinity } }],
    ['files of any size', ['limits'], {}, { limits: { ...kernel.limits, fileBytes: Infinity } }],
  ])('names the wall that let %s through', (_, walls, change, kernelChange = {}) => {
    expect(missing(change, kernelChange)).toEqual(walls);
  });

  it('lets the filter answer for System V IPC where the kernel shows no namespaces', () => {
    const unseen = { sharesIpc: undefined };
    expect([missing({}, unseen), missing({ fork: 'done' }, unseen)]).toEqual([[], ['ipc', 'syscalls']]);
  });

  it('takes no wall for standing that was not measured', () => {
    const walls = unmeasured('the probe ended').map(({ wall }) => wall);
    expect(walls).toEqual(expect.arrayContaining(['network', 'files', 'syscalls', 'user']));
  });
});
