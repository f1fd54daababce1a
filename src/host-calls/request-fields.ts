import { z } from 'zod';
import { HostCallError } from './host-call.js';

/**
 * Reads the request of a host call.
 * @throws HostCallError `BAD_REQUEST` that names the member at fault
 */
export function readRequest<Schema extends z.ZodType>(schema: Schema, request: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(request);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new HostCallError('BAD_REQUEST', `${path.join('.') || 'The request'}: ${message}`);
}
