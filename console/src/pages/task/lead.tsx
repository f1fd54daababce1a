import type { ReactNode } from 'react';
import type { Task } from '../../api/queries';
import { credits, duration, relative } from '../../lib/format';

interface LeadProps {
  task: Task;
  nameOf: (agentId: string | null) => string;
  now: number;
}

/** The page in one sentence. */
export function Lead({ task, nameOf, now }: LeadProps): ReactNode {
  const doer = <b>{nameOf(task.agent_id)}</b>;
  const failures = task.attempts.filter(({ outcome, error }) => error && outcome !== 'released');
  switch (task.status) {
    case 'completed': {
      const last = failures.at(-1);
      return (
        <>
          {doer} did it for <b>{credits(task.cost ?? 0)}</b>
          {last && (
            <>
              , after <b>{nameOf(last.agent_id)}</b> failed with {last.error?.code}
            </>
          )}
          .
        </>
      );
    }
    case 'failed':
      return (
        <>
          {task.error?.message} {failures.length > 1 && `${failures.length} agents tried.`} Nothing was charged.
        </>
      );
    case 'cancelled':
      return (
        <>
          It was cancelled
          {task.completed_at && ` after ${duration(Date.parse(task.completed_at) - Date.parse(task.created_at))}`}.
          Nothing was charged.
        </>
      );
    case 'running':
      return <>{doer} is at work on it. You pay its price only when it completes.</>;
    case 'input_required':
      return task.question ? (
        <>
          {doer} has a question for you. It waits until you answer, but gives up{' '}
          {relative(task.question.expires_at, now)}.
        </>
      ) : (
        <>{doer} has your answer and goes on soon.</>
      );
    case 'assigned':
      return <>{doer} won the auction and starts.</>;
    default:
      return task.run_at && Date.parse(task.run_at) > now ? (
        <>It waits until its time: it starts {relative(task.run_at, now)}.</>
      ) : (
        <>It waits for a worker, which then holds the auction.</>
      );
  }
}
