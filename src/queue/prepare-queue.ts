import type { Installation } from '../config/index.js';
import { queueServerOf } from './queue.module.js';
import type { Caution } from './queue-server.js';

/**
 * The first look at what the queue runs on, before anything uses it.
 * @returns what works and should be mended all the same
 * @throws Refusal when only an operator can help; any other error is an outage, which passes by itself
 */
export async function prepareQueue(installation: Pick<Installation, 'queue' | 'database'>): Promise<Caution[]> {
  const server = queueServerOf(installation);
  try {
    return await server.prepare();
  } finally {
    await server.close();
  }
}
