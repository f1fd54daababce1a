import { describe, expect, it } from '@jest/globals';
import { systemCallFilter } from './filter.js';

const ALLOWED = 'allowed';
const KILLED = 'killed';

/** What the kernel does with a filter, for the instructions that seccomp(2) knows and the filter uses. */
function verdict(filter: Buffer, data: { audit: number; number: number; args?: bigint[] }): string {
  const words = new Map<number, number>([
    [0, data.number],
    [4, data.audit],
  ]);
  (data.args ?? []).forEach((value, index) => {
    words.set(16 + 8 * index, Number(value & 0xffffffffn));
    words.set(20 + 8 * index, Number(value >> 32n));
  });
  let register = 0;
  for (let at = 0; at < filter.length; at += 8) {
    const operand = filter.readUInt32LE(at + 4);
    const jump = (holds: boolean): void => void (at += 8 * filter.readUInt8(at + (holds ? 2 : 3)));
    switch (filter.readUInt16LE(at)) {
      case 0x20:
        register = words.get(operand) ?? 0;
        break;
      case 0x15:
        jump(register === operand);
        break;
      case 0x35:
        jump(register >= operand);
        break;
      case 0x45:
        jump((BigInt(register) & BigInt(operand)) !== 0n);
        break;
      case 0x06:
        if (operand === 0x7fff0000) return ALLOWED;
        if (operand === 0x80000000) return KILLED;
        return `errno ${operand & 0xffff}`;
      default:
        throw new Error(`instruction ${filter.readUInt16LE(at)}`);
    }
  }
  throw new Error('The filter ends without a verdict.');
}

describe.each([
  ['x64', 0xc000003e, { read: 0, mmap: 9, clone: 56, socket: 41, unshare: 272, ptrace: 101, bpf: 321, shmget: 29 }],
  [
    'arm64',
    0xc00000b7,
    { read: 63, mmap: 222, clone: 220, socket: 198, unshare: 97, ptrace: 117, bpf: 280, shmget: 194 },
  ],
])('the filter of system calls on %s', (processor, audit, { read, mmap, clone, ...forbidden }) => {
  const filter = systemCallFilter(processor)!;
  const ask = (number: number, ...args: bigint[]): string => verdict(filter, { audit, number, args });

  it('allows what Node.js needs', () => {
    expect(ask(read)).toBe(ALLOWED);
  });

  it.each(Object.entries(forbidden))('refuses %s', (_name, number) => {
    expect(ask(number)).toBe('errno 1');
  });

  it('refuses the large interfaces that have one number on all processors', () => {
    const [ioUring, openTree, pidfdOpen, memfdSecret] = [425, 428, 434, 447];
    expect([ioUring, openTree, pidfdOpen, memfdSecret].map((number) => ask(number))).toEqual(Array(4).fill('errno 1'));
  });

  it('allows threads and refuses forks, also with new namespaces', () => {
    const [thread, fork, newUser] = [0x3d0f00n, 0x01200011n, 0x10000011n];
    expect([thread, fork, newUser].map((flags) => ask(clone, flags))).toEqual([ALLOWED, 'errno 1', 'errno 1']);
  });

  it('has libraries fall back from clone3, whose flags no filter can see', () => {
    expect(ask(435)).toBe('errno 38');
  });

  it('allows private memory and refuses memory that no limit counts', () => {
    const [anonymous, shared, growsDown] = [0x22n, 0x21n, 0x122n];
    const map = (flags: bigint) => ask(mmap, 0n, 4096n, 3n, flags);
    expect([anonymous, shared, growsDown].map(map)).toEqual([ALLOWED, 'errno 1', 'errno 1']);
  });

  it('refuses what a newer kernel adds', () => {
    expect([457, 600].map((number) => ask(number))).toEqual(['errno 38', 'errno 38']);
  });

  it('kills a process that uses the interface of another processor', () => {
    expect(verdict(filter, { audit: 0x40000003, number: read })).toBe(KILLED);
  });
});

it('the filter kills a process that uses the x32 interface', () => {
  expect(verdict(systemCallFilter('x64')!, { audit: 0xc000003e, number: 0x40000000 + 41 })).toBe(KILLED);
});

it('there is no filter for other processors', () => {
  expect(systemCallFilter('riscv64')).toBeUndefined();
});
