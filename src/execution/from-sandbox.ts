import { z } from 'zod';
import type { FromSandbox } from './frames.js';
import { TRAP_KINDS } from './run.js';

/**
 * Checks a header before it is believed: the process that sent it runs hostile code.
 * @throws ZodError when it is none of the messages a sandbox process sends
 */
export const parseFromSandbox = (header: unknown): FromSandbox => fromSandbox.parse(header);

/** A safe integer. What of it is possible depends on the run. */
const amount = z.int().nonnegative();
/** As the sandbox makes every text of an agent: nothing that a terminal obeys or a database refuses. */
const text = z.string().refine((told) => !UNPRINTABLE.test(told), 'unprintable text');
const UNPRINTABLE = /\p{Cs}|(?![\t\n])\p{Cc}/u;
const sentence = text.max(5000);

const outcome = z.discriminatedUnion('end', [
  z.object({ end: z.literal('completed') }),
  z.object({ end: z.literal('exited'), code: z.int().min(0).max(0xffff_ffff), stderrTail: sentence }),
  z.object({ end: z.literal('input_refused'), stderrTail: sentence }),
  z.object({
    end: z.literal('trapped'),
    trap: z.enum(TRAP_KINDS),
    function: sentence.optional(),
    stderrTail: sentence,
  }),
  z.object({
    end: z.literal('out_of_memory'),
    limitBytes: amount,
    hadBytes: amount.optional(),
    askedBytes: amount.optional(),
  }),
  z.object({ end: z.literal('table_too_large'), limitElements: amount }),
  z.object({ end: z.literal('output_too_large'), limitBytes: amount }),
  z.object({ end: z.literal('invalid_output'), reason: sentence }),
  z.object({ end: z.literal('refused'), reason: sentence }),
]);

const usage = z.object({
  cpuMs: z.number().nonnegative().max(Number.MAX_SAFE_INTEGER),
  peakMemoryBytes: amount,
  bytesOut: amount,
  hostCalls: amount,
});

const fromSandbox: z.ZodType<FromSandbox> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready') }),
  z.object({ kind: z.literal('log'), lines: z.array(text).min(1) }),
  z.object({ kind: z.literal('call'), n: amount, name: text.max(32) }),
  z.object({ kind: z.literal('report'), outcome, usage }),
]);
