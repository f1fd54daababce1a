import { z } from 'zod';
import type { FromSandbox } from './frames.js';
import { TRAP_KINDS } from './run.js';

/**
 * Checks a header before it is believed: the process that sent it runs hostile code.
 * @throws ZodError when it is none of the messages a sandbox process sends
 */
export const parseFromSandbox = (header: unknown): FromSandbox => fromSandbox.parse(header);

const amount = z.number().nonnegative();
const sentence = z.string().max(5000);

const outcome = z.discriminatedUnion('end', [
  z.object({ end: z.literal('completed') }),
  z.object({ end: z.literal('exited'), code: z.int().min(0).max(0xffff_ffff), stderrTail: sentence }),
  z.object({
    end: z.literal('trapped'),
    trap: z.enum(TRAP_KINDS),
    function: sentence.optional(),
    stderrTail: sentence,
  }),
  z.object({ end: z.literal('out_of_memory'), limitBytes: amount }),
  z.object({ end: z.literal('table_too_large'), limitElements: amount }),
  z.object({ end: z.literal('output_too_large'), limitBytes: amount }),
  z.object({ end: z.literal('invalid_output'), reason: sentence }),
  z.object({ end: z.literal('refused'), reason: sentence }),
]);

const usage = z.object({
  cpuMs: amount,
  peakMemoryBytes: amount,
  bytesOut: amount,
  hostCalls: amount,
});

const fromSandbox: z.ZodType<FromSandbox> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready') }),
  z.object({ kind: z.literal('log'), lines: z.array(z.string()) }),
  z.object({ kind: z.literal('report'), outcome, usage }),
]);
