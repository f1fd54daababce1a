import { MAX_CHECKED_BYTES, type Schema, stepsFor } from '../contracts/index.js';

/**
 * Compares an agent's output with the schema that its version declares.
 * @param output one JSON document, as text or bytes
 * @returns what is wrong, null if it fits
 */
export function outputFault(schema: Schema, output: string | Uint8Array): string | null {
  const bytes = typeof output === 'string' ? Buffer.byteLength(output) : output.length;
  if (bytes > MAX_CHECKED_BYTES) return `has ${bytes} bytes; a version with a schema may answer ${MAX_CHECKED_BYTES}`;
  const text = typeof output === 'string' ? output : new TextDecoder().decode(output);
  const verdict = schema.check(JSON.parse(text), stepsFor(bytes));
  if (verdict.end === 'fits') return null;
  if (verdict.end === 'too_costly') return 'takes too long to compare with the schema';
  return `${verdict.at ? `at ${verdict.at} ` : ''}${verdict.reason}`;
}
