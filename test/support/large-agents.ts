import { good } from '../e2e/agents.js';

/** As many as a validator lets through with its defaults, but for the agent's own. */
const FUNCTIONS = 9_000;
const MAX_BODY = 900_000;

/**
 * Agents of any size that consist of code, as real ones do: a validator has all of it to look at. Each is another binary.
 */
export class LargeAgents {
  private made = 0;

  private constructor(private readonly agent: Buffer) {}

  static async create(): Promise<LargeAgents> {
    return new LargeAgents(await good());
  }

  /** @param size at least some thousands of bytes; kept to within some bytes a function */
  ofSize(size: number): Buffer<ArrayBuffer> {
    const module = sectionsOf(this.agent);
    const count = Math.min(FUNCTIONS, Math.max(1, Math.floor(size / 5_000)));
    const body = code(Math.min(MAX_BODY, Math.floor((size - this.agent.length) / count) - 8));
    const functions = module.get(FUNCTION)!;
    // All get the type of the last one, `_start`.
    module.set(FUNCTION, extended(functions, vectorLength(functions), count, functions.subarray(-1)));
    const bodies = vectorLength(module.get(CODE)!);
    module.set(CODE, extended(module.get(CODE)!, bodies, count, body));
    const stamp = Buffer.from(`\x05bench${String(this.made++).padStart(8, '0')}`);
    const sections = [...module].map(([id, content]) => section(id, content));
    return Buffer.concat([this.agent.subarray(0, 8), ...sections, section(0, stamp)]);
  }
}

const FUNCTION = 3;
const CODE = 10;

/** One function's body with its size in front: without locals, it counts and throws the count away. */
function code(size: number): Buffer {
  const step = Buffer.from([0x41, 0x07, 0x41, 0x05, 0x6a, 0x1a]); // i32.const 7, i32.const 5, i32.add, drop
  const steps = Buffer.alloc(Math.floor(size / step.length) * step.length, step);
  const whole = Buffer.concat([Buffer.from([0]), steps, Buffer.from([0x0b])]);
  return Buffer.concat([leb128(whole.length), whole]);
}

function sectionsOf(module: Buffer): Map<number, Buffer> {
  const sections = new Map<number, Buffer>();
  for (let at = 8; at < module.length;) {
    const [size, start] = readLeb128(module, at + 1);
    sections.set(module[at], module.subarray(start, start + size));
    at = start + size;
  }
  return sections;
}

const section = (id: number, content: Buffer): Buffer =>
  Buffer.concat([Buffer.from([id]), leb128(content.length), content]);

const vectorLength = (content: Buffer): [count: number, start: number] => readLeb128(content, 0);

/** A vector with so many further entries, all the same. */
const extended = (content: Buffer, [count, start]: [number, number], more: number, entry: Buffer): Buffer =>
  Buffer.concat([leb128(count + more), content.subarray(start), Buffer.alloc(more * entry.length, entry)]);

function readLeb128(bytes: Buffer, at: number): [value: number, next: number] {
  for (let value = 0, shift = 0; ; at++, shift += 7) {
    value |= (bytes[at] & 0x7f) << shift;
    if (bytes[at] < 0x80) return [value, at + 1];
  }
}

function leb128(value: number): Buffer {
  const bytes: number[] = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Buffer.from([...bytes, value]);
}
