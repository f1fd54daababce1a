/**
 * Calls `work` with so many bytes less of stack than there are. V8 takes no new stack size in a running process; but
 * arguments stand on the stack, `SLOT_BYTES` each, whether anybody reads them or not (measured on Node.js 20 and 24).
 */
export function withLessStack<Result>(bytes: number, work: () => Result): Result {
  const slots = Math.floor(bytes / SLOT_BYTES);
  if (slots <= 0) return work();
  const next = (): Result => withLessStack(bytes - MANY.length * SLOT_BYTES, work);
  return Reflect.apply(next, undefined, slots < MANY.length ? MANY.slice(0, slots) : MANY);
}

const SLOT_BYTES = 8;
/** Arguments of one call; V8 takes at most 65,534. */
const MANY: readonly undefined[] = Array.from({ length: 8192 });
