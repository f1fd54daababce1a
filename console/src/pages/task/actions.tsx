import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, unwrap } from '../../api/client';
import type { Task } from '../../api/queries';
import { isEnded } from '../../lib/events';
import { Button } from '../../ui/basics';
import { Confirm } from '../../ui/dialog';
import { ProblemPanel } from '../../ui/problem';

/** What can be done with a task: cancel, try again, submit another like it. */
export function Actions({ task }: { task: Task }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [isAsking, setAsking] = useState(false);
  const path = { params: { path: { id: task.id } } };
  const renew = () => queries.invalidateQueries({ queryKey: ['task', task.id] });
  const cancel = useMutation({
    mutationFn: () => unwrap(api.POST('/api/v1/tasks/{id}/cancel', path)),
    onSuccess: () => {
      setAsking(false);
      return renew();
    },
  });
  const retry = useMutation({
    mutationFn: () => unwrap(api.POST('/api/v1/tasks/{id}/retry', path)),
    onSuccess: ({ id }) => navigate({ to: '/tasks/$taskId', params: { taskId: id } }),
  });
  const canRetry = task.parent_id === null && task.status === 'failed';
  return (
    <div className="acts">
      <Button small glyph="copy" onClick={() => void navigate({ to: '/new', search: { from: task.id } })}>
        Duplicate
      </Button>
      {canRetry && (
        <Button small glyph="retry" busy={retry.isPending} onClick={() => retry.mutate()}>
          Run again
        </Button>
      )}
      {!isEnded(task.status) && (
        <Button small look="danger" onClick={() => setAsking(true)}>
          Cancel the task
        </Button>
      )}
      {isAsking && (
        <Confirm
          title={`Cancel ${task.description || 'this task'}?`}
          action="Cancel the task"
          busy={cancel.isPending}
          error={cancel.error && <ProblemPanel error={cancel.error} />}
          onConfirm={() => cancel.mutate()}
          onClose={() => setAsking(false)}
        >
          <p className="mute">A run under way is stopped, and nothing is charged.</p>
        </Confirm>
      )}
      {retry.error && <ProblemPanel error={retry.error} />}
    </div>
  );
}
