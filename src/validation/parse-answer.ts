import { z } from 'zod';
import type { CheckAnswer } from './check/exchange.js';
import { ADVICE } from './wasm/refusal.js';
import { COMPONENT_KINDS, EXTERNAL_KINDS } from './wasm/walked-module.js';

/**
 * Checks a line before it is believed: the process that sent it reads hostile bytes.
 * @throws Error when it is no JSON, or not the answer of a checking process
 */
export const parseAnswer = (line: string): CheckAnswer => checkAnswer.parse(JSON.parse(line));

/** No name of a module is longer, see `module-limits.ts`. */
const LONGEST_TEXT = 100_000;
/** As the check makes every text of a module: nothing that a terminal obeys or a database refuses. */
const text = z
  .string()
  .max(LONGEST_TEXT)
  .refine((value) => !UNPRINTABLE.test(value), 'unprintable text');
const UNPRINTABLE = /\p{Cs}|\p{Cc}/u;
/** A safe integer, or the size of a 64-bit memory, rounded. */
const amount = z.number().nonnegative().finite();
const count = z.int().nonnegative();
const kind = z.enum([...EXTERNAL_KINDS, ...COMPONENT_KINDS]);

const customSection = z.strictObject({
  name: text,
  size: count,
  names: z.strictObject({ module: text.nullable(), functions: count }).optional(),
  producers: z
    .array(z.strictObject({ field: text, name: text, version: text }))
    .max(100)
    .optional(),
  targetFeatures: z.array(text).max(100).optional(),
});

const walkedModule = z.strictObject({
  version: count.nullable(),
  imports: z.array(z.strictObject({ module: text, name: text, kind, type: text })),
  exports: z.array(z.strictObject({ name: text, kind, type: text })),
  memory: z
    .strictObject({ minPages: amount, maxPages: amount.nullable(), shared: z.boolean(), is64: z.boolean() })
    .nullable(),
  tableElements: count,
  functions: count,
  globals: count,
  dataSegments: count,
  customSections: z.array(customSection),
  startFunction: count.nullable(),
  details: z.strictObject({
    types: count,
    tables: count,
    tags: count,
    elementSegments: count,
    locals: count,
    codeBytes: count,
    dataBytes: count,
    customBytes: count,
    largestFunction: z.strictObject({ index: count, bytes: count }).nullable(),
  }),
  component: z
    .strictObject({
      coreModules: z
        .array(z.strictObject({ size: count, functions: count, codeBytes: count, dataBytes: count }))
        .max(100),
    })
    .nullable(),
});

const REFUSAL_CODES: readonly string[] = [...Object.keys(ADVICE), 'INVALID_MODULE', 'ENTRY_POINT_SIGNATURE'];

export const checkAnswer: z.ZodType<CheckAnswer> = z.strictObject({
  module: walkedModule,
  refusal: z.strictObject({ code: z.enum(REFUSAL_CODES), message: text, offset: count.nullable() }).nullable(),
});
