import type { z } from 'zod';
import { HostCallError } from '../host-call.js';

/** @throws HostCallError `INVALID_REQUEST` that names the first member that is wrong */
export function parseRequest<Schema extends z.ZodType>(schema: Schema, request: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(request);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new HostCallError('INVALID_REQUEST', `${path.length > 0 ? `${path.join('.')}: ` : ''}${message}`);
}
