import {
  allow,
  ARCHITECTURE,
  argument,
  assemble,
  kill,
  load,
  NUMBER,
  refuse,
  unlessEqual,
  whenAnyBit,
  whenAtLeast,
  whenEqual,
} from './bpf.js';
import { FORBIDDEN, JUDGED, NEWEST, type Numbers } from './table.js';

/** Processors that there is a filter for, by their names in `process.arch`. */
const PROCESSORS = {
  x64: { audit: 0xc000003e, column: 0 },
  arm64: { audit: 0xc00000b7, column: 1 },
} as const;
type Processor = keyof typeof PROCESSORS;

/** Calls of the x32 interface of x86_64 have this bit in their numbers, which would pass a list of numbers. */
const X32_BIT = 0x40000000;
const CLONE_THREAD = 0x00010000;
/** RLIMIT_DATA counts neither shared memory (MAP_SHARED) nor mappings that grow downwards (MAP_GROWSDOWN). */
const UNCOUNTED_MEMORY = 0x1 | 0x100;
const EPERM = 1;
/** For calls that libraries try first: they then use an older one. */
const ENOSYS = 38;

/**
 * The filter of system calls for confined processes, compiled for seccomp(2): no namespaces, mounts, sockets, new
 * processes, shared memory, tracing, and none of the kernel's larger interfaces. Threads are allowed, forks are not. Other
 * calls are allowed.
 *
 * @param processor as `process.arch`
 * @returns undefined where there is no filter for that processor
 */
export function systemCallFilter(processor: string): Buffer | undefined {
  if (!(processor in PROCESSORS)) return undefined;
  const { audit, column } = PROCESSORS[processor as Processor];
  const numberOf = (numbers: Numbers): number[] => (numbers[column] === null ? [] : [numbers[column]]);
  return assemble([
    ...load(ARCHITECTURE),
    ...unlessEqual(audit, ...kill()),
    ...load(NUMBER),
    ...(column === 0 ? whenAtLeast(X32_BIT, ...kill()) : []),
    ...whenAtLeast(NEWEST + 1, ...refuse(ENOSYS)),
    ...Object.values(FORBIDDEN)
      .flatMap(numberOf)
      .flatMap((number) => whenEqual(number, ...refuse(EPERM))),
    ...whenEqual(JUDGED.clone3[column], ...refuse(ENOSYS)),
    ...whenEqual(JUDGED.clone[column], ...load(argument(0)), ...whenAnyBit(CLONE_THREAD, ...allow()), ...refuse(EPERM)),
    ...whenEqual(
      JUDGED.mmap[column],
      ...load(argument(3)),
      ...whenAnyBit(UNCOUNTED_MEMORY, ...refuse(EPERM)),
      ...allow(),
    ),
    ...allow(),
  ]);
}
