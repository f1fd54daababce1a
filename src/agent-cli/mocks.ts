import { z } from 'zod';
import { UsageError } from './command.js';

/** A canned answer to a host call. */
export interface Mock {
  method: string;
  /** Members that the request must have, at any depth; undefined: any request. */
  request?: unknown;
  answer: object;
}

const schema = (methods: readonly string[]) =>
  z.array(
    z.looseObject({
      method: z.enum(methods),
      request: z.unknown().optional(),
      answer: z.record(z.string(), z.unknown()),
    }),
  );

/**
 * Canned answers in the order of their file. Each answers once; when all that fit have answered, the last one of them
 * answers again. So one answer serves any number of calls, and a journal of `--record` repeats its run.
 */
export class Mocks {
  private readonly used = new Set<Mock>();

  private constructor(private readonly mocks: readonly Mock[]) {}

  static readonly NONE = new Mocks([]);

  /**
   * @param document parsed JSON: an array of `{"method", "request"?, "answer"}`; other members are ignored
   * @param methods names that `method` may have
   * @throws UsageError that names the member at fault
   */
  static of(document: unknown, methods: readonly string[]): Mocks {
    const parsed = schema(methods).safeParse(document);
    if (parsed.success) return new Mocks(parsed.data);
    const [{ path, message }] = parsed.error.issues;
    throw new UsageError(`--mock: ${path.join('.') || 'the file'}: ${message}`);
  }

  /** Whether the file has any answer for a method: then it must have one for each call. */
  names(method: string): boolean {
    return this.mocks.some((mock) => mock.method === method);
  }

  /** @returns the answer for a call, which counts as used; undefined when none fits */
  take(method: string, request: unknown): object | undefined {
    const fitting = this.mocks.filter((mock) => mock.method === method && fits(mock, request));
    const next = fitting.find((mock) => !this.used.has(mock)) ?? fitting.at(-1);
    if (next) this.used.add(next);
    return next?.answer;
  }
}

const fits = (mock: Mock, request: unknown): boolean => mock.request === undefined || isWithin(mock.request, request);

/** Whether `whole` has all that `part` has: members of objects at any depth; arrays and other values must be equal. */
function isWithin(part: unknown, whole: unknown): boolean {
  if (typeof part !== 'object' || part === null) return part === whole;
  if (typeof whole !== 'object' || whole === null || Array.isArray(part) !== Array.isArray(whole)) return false;
  if (Array.isArray(part) && part.length !== (whole as unknown[]).length) return false;
  return Object.entries(part).every(
    ([name, value]) => Object.hasOwn(whole, name) && isWithin(value, (whole as Record<string, unknown>)[name]),
  );
}
