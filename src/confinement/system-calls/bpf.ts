/**
 * A small assembler of classic BPF, the language of seccomp filters: `linux/filter.h`, seccomp(2). A filter is a list of
 * instructions over one register. It looks at `struct seccomp_data` and ends with a verdict.
 */
export interface Instruction {
  code: number;
  /** Instructions to skip when a test holds, and when it does not. */
  ifTrue: number;
  ifFalse: number;
  operand: number;
}

/** Offsets in `struct seccomp_data`; arguments have 64 bits, and little-endian machines store the lower 32 first. */
export const NUMBER = 0;
export const ARCHITECTURE = 4;
export const argument = (index: number): number => 16 + 8 * index;

const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const IF_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_AT_LEAST = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const IF_ANY_BIT = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K

const SECCOMP_RET_ALLOW = 0x7fff0000;
const SECCOMP_RET_ERRNO = 0x00050000;
const SECCOMP_RET_KILL_PROCESS = 0x80000000;

export const load = (offset: number): Instruction[] => [plain(LOAD_WORD, offset)];
export const allow = (): Instruction[] => [plain(RETURN, SECCOMP_RET_ALLOW)];
export const kill = (): Instruction[] => [plain(RETURN, SECCOMP_RET_KILL_PROCESS)];
/** The system call is not made; the caller sees this error. */
export const refuse = (errno: number): Instruction[] => [plain(RETURN, SECCOMP_RET_ERRNO | errno)];

/** Runs `body`, of at most 255 instructions, when the register equals `value`. */
export const whenEqual = (value: number, ...body: Instruction[]): Instruction[] => test(IF_EQUAL, value, body);
/** As `whenEqual`, when the register is not below `value`, both without a sign. */
export const whenAtLeast = (value: number, ...body: Instruction[]): Instruction[] => test(IF_AT_LEAST, value, body);
/** As `whenEqual`, when the register has one of the bits of `mask`. */
export const whenAnyBit = (mask: number, ...body: Instruction[]): Instruction[] => test(IF_ANY_BIT, mask, body);
/** As `whenEqual`, when the register does not equal `value`. */
export const unlessEqual = (value: number, ...body: Instruction[]): Instruction[] => [
  { code: IF_EQUAL, ifTrue: body.length, ifFalse: 0, operand: value },
  ...body,
];

const plain = (code: number, operand: number): Instruction => ({ code, ifTrue: 0, ifFalse: 0, operand });

const test = (code: number, operand: number, body: Instruction[]): Instruction[] => [
  { code, ifTrue: 0, ifFalse: body.length, operand },
  ...body,
];

/** As `struct sock_filter[]` in memory, on a little-endian machine. */
export function assemble(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(8 * program.length);
  program.forEach(({ code, ifTrue, ifFalse, operand }, index) => {
    bytes.writeUInt16LE(code, 8 * index);
    bytes.writeUInt8(ifTrue, 8 * index + 2);
    bytes.writeUInt8(ifFalse, 8 * index + 3);
    bytes.writeUInt32LE(operand >>> 0, 8 * index + 4);
  });
  return bytes;
}
