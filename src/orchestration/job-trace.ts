import { Logger } from '@nestjs/common';
import { within } from '../common/work-context.js';
import { enterTrace, markFailed, recordSpan, SpanKind, tellRoutine } from '../observability/index.js';
import type { Handled } from '../queue/index.js';
import type { UnfinishedTask } from '../tasks/index.js';
import { jobs } from './metrics.js';

const logger = new Logger('Worker');

/**
 * Runs one job, a task's stay in this worker, inside the trace of the task's submission. Its log lines carry the ids of
 * the task and its submitter. Counts the job by its outcome.
 */
export async function tracedJob(task: UnfinishedTask, work: () => Promise<Handled>): Promise<Handled> {
  const startedAt = performance.now();
  const subjects = { 'zerostate.task.id': task.id, 'user.id': task.userId };
  // Only the first wait is a span of its own. Later ones are the gaps between two jobs.
  if (task.attempt === 0) recordSpan('task.queue', task.traceparent, task.dueSince, { attributes: subjects });
  const { span, place } = enterTrace('task.process', task.traceparent, {
    kind: SpanKind.CONSUMER,
    attributes: {
      ...subjects,
      'zerostate.attempts.lost': task.lostAttempts,
      'zerostate.attempts.handed_back': task.releasedAttempts,
    },
  });
  return within({ trace: place, task_id: task.id, user_id: task.userId }, async () => {
    let outcome: 'done' | 'handed_back' | 'fault' = 'fault';
    try {
      const handled = await work();
      outcome = handled ? 'handed_back' : 'done';
      return handled;
    } catch (error) {
      markFailed(span, error as Error);
      throw error;
    } finally {
      const duration_ms = Math.round(performance.now() - startedAt);
      jobs.inc({ outcome });
      tellRoutine(logger, { msg: 'job', outcome, duration_ms });
      span.setAttribute('zerostate.job.outcome', outcome).end();
    }
  });
}
