import { setTimeout as pause } from 'node:timers/promises';
import type { TaskPriority } from '../../src/queue/index.js';
import { api, expectStatus, type TestUser } from '../support/client.js';
import { agent, chatty, echo, publish, trapping } from '../e2e/agents.js';
import type { Random } from './random.js';

/**
 * What a kind of task asks for, and how it ends when nothing is broken:
 *
 * - quick: answered with its input in a millisecond;
 * - slow: a quarter of a second, with log lines;
 * - flaky: the cheaper of two agents traps, the other one answers (failover);
 * - broken: whoever may try traps.
 */
export type Kind = 'quick' | 'slow' | 'flaky' | 'broken';

export interface PlannedTask {
  /** Its place in the plan; its input says it, and its `Idempotency-Key`. */
  number: number;
  kind: Kind;
  priority: TaskPriority;
  /** Its submitter changes his mind right after the submission. */
  cancelled: boolean;
}

const PRIORITIES: readonly TaskPriority[] = ['low', 'normal', 'normal', 'normal', 'high', 'critical'];

/** The same tasks in the same order for the same seed. */
export function planTasks(count: number, random: Random): PlannedTask[] {
  return Array.from({ length: count }, (_, number) => ({
    number,
    kind: kindAt(random.next()),
    priority: random.pick(PRIORITIES),
    cancelled: random.next() < 0.04,
  }));
}

function kindAt(chance: number): Kind {
  if (chance < 0.7) return 'quick';
  if (chance < 0.85) return 'slow';
  if (chance < 0.95) return 'flaky';
  return 'broken';
}

/**
 * The agents that the plan's tasks ask for. So many of each that a few attempts that end with a broken machine leave others to
 * ask: the last one to try settles the task.
 */
export async function publishAgents(url: string, token: string): Promise<void> {
  const [quick, slow, trap] = [await echo(), await chatty(4), await trapping()];
  // Versions of their own, so that each agent has sandboxes of its own.
  const answer = await agent('(call $ok)', '(global i32 (i32.const 1))');
  const offers: [slug: string, wasm: Buffer, kind: Kind, price: string][] = [
    ['quick-a', quick, 'quick', '0.20'],
    ['quick-b', quick, 'quick', '0.30'],
    ['quick-c', quick, 'quick', '0.40'],
    ['slow-a', slow, 'slow', '0.50'],
    ['slow-b', slow, 'slow', '0.60'],
    ['flaky-a', trap, 'flaky', '0.10'],
    ['flaky-b', answer, 'flaky', '0.90'],
    ['flaky-c', answer, 'flaky', '0.95'],
    ['broken-a', trap, 'broken', '0.10'],
  ];
  for (const [slug, wasm, kind, price] of offers)
    await publish(url, token, slug, wasm, { capabilities: [kind], price });
}

const LANES = 8;
const TRY_AGAIN_MS = 200;
const ANSWER_WITHIN_MS = 15_000;

/**
 * Submits the plan as an honest client would: again and again, with the same key, until there is an answer. A cancellation that is
 * refused because the task has ended is an answer too.
 * @returns the task's id for each number; `told` grows while it works
 */
export async function submitPlan(
  url: string,
  { token }: Pick<TestUser, 'token'>,
  plan: readonly PlannedTask[],
  told: Map<number, string>,
): Promise<void> {
  const rest = plan.values();
  const lane = async (): Promise<void> => {
    for (const task of rest) {
      const body = {
        required_capabilities: [task.kind],
        budget: 10,
        input: { n: task.number },
        priority: task.priority,
        timeout_ms: 60_000,
      };
      const headers = { 'idempotency-key': `chaos-${task.number}` };
      const { status, body: answer } = await answered(() => api(url).post('/tasks', body, { token, headers }));
      if (status !== 200 && status !== 202)
        throw new Error(`task ${task.number} was refused: ${JSON.stringify(answer)}`);
      told.set(task.number, answer.id as string);
      if (!task.cancelled) continue;
      const cancel = () => api(url).post(`/tasks/${answer.id}/cancel`, undefined, { token });
      const cancelled = await answered(cancel);
      if (cancelled.status !== 409) expectStatus(cancelled, 200);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

/** Asks until something answers that is not away, overloaded or cut off in the middle. */
async function answered<T extends { status: number }>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    const late = pause(ANSWER_WITHIN_MS).then(() => undefined);
    const answer = await Promise.race([ask().catch(() => undefined), late]);
    if (answer && answer.status < 500 && answer.status !== 429) return answer;
    await pause(TRY_AGAIN_MS);
  }
}
