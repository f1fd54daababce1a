import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, unwrap } from '../../api/client';
import type { TaskSummary } from '../../api/queries';
import { isEnded } from '../../lib/events';
import { plural } from '../../lib/format';
import { Button } from '../../ui/basics';
import { Confirm } from '../../ui/dialog';
import { ProblemPanel } from '../../ui/problem';
import { toast } from '../../ui/toasts';

/** Requests under way at once. */
const AT_ONCE = 4;

/** Acts on the selected tasks. */
export function Bulk({ selected, onClear }: { selected: readonly TaskSummary[]; onClear: () => void }) {
  const queries = useQueryClient();
  const [isAsking, setAsking] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const active = selected.filter(({ status }) => !isEnded(status));
  const retryable = selected.filter(({ status }) => status === 'failed');

  const run = async (tasks: readonly TaskSummary[], verb: 'cancel' | 'retry', said: string): Promise<void> => {
    setBusy(true);
    setError(undefined);
    const waiting = [...tasks];
    const problems: unknown[] = [];
    const work = async (): Promise<void> => {
      for (let task = waiting.shift(); task; task = waiting.shift()) {
        const path = { params: { path: { id: task.id } } };
        const call =
          verb === 'cancel' ? api.POST('/api/v1/tasks/{id}/cancel', path) : api.POST('/api/v1/tasks/{id}/retry', path);
        await unwrap(call as Promise<{ data?: object; error?: unknown; response: Response }>).catch((problem) =>
          problems.push(problem),
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    setBusy(false);
    setAsking(false);
    void queries.invalidateQueries({ queryKey: ['tasks'] });
    if (problems.length > 0) setError(problems[0]);
    else {
      toast(`${said} ${plural(tasks.length, 'task')}.`);
      onClear();
    }
  };

  return (
    <>
      {Boolean(error) && <ProblemPanel error={error} />}
      <div className="bulk" role="region" aria-label="Selection">
        <span>{selected.length} selected</span>
        <Button
          small
          busy={isBusy}
          disabled={retryable.length === 0}
          onClick={() => void run(retryable, 'retry', 'Queued again:')}
        >
          Run again
        </Button>
        <Button small disabled={active.length === 0 || isBusy} onClick={() => setAsking(true)}>
          Cancel
        </Button>
        <Button small glyph="x" look="quiet" aria-label="Clear the selection" onClick={onClear} />
      </div>
      {isAsking && (
        <Confirm
          title={`Cancel ${plural(active.length, 'task')}?`}
          action={`Cancel ${plural(active.length, 'task')}`}
          busy={isBusy}
          onConfirm={() => void run(active, 'cancel', 'Cancelled')}
          onClose={() => setAsking(false)}
        >
          <p className="mute">Runs under way are stopped, and nothing is charged.</p>
        </Confirm>
      )}
    </>
  );
}
