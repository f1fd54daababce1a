import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useEffect, useState } from 'react';
import { api, type Schemas, unwrap } from '../../api/client';
import { onAllEvents } from '../../api/feed';
import { capital, count, duration, plural } from '../../lib/format';
import { Button, Facts, Field, Loading, Panel } from '../../ui/basics';
import { Confirm } from '../../ui/dialog';
import { ProblemPanel } from '../../ui/problem';
import { AdminFrame } from './frame';
import { useQueueStats } from './live';
import { PauseButton } from './overview';

const REFRESH_MS = 1000;

export function Queue() {
  const queries = useQueryClient();
  const { data, error } = useQueueStats();
  useEffect(() => {
    let timer: number | undefined;
    const stop = onAllEvents(() => {
      timer ??= window.setTimeout(() => {
        timer = undefined;
        void queries.invalidateQueries({ queryKey: ['queue'] });
      }, REFRESH_MS);
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [queries]);
  return (
    <AdminFrame
      title="Queue"
      lead={
        data && (
          <>
            <b>{plural(data.waiting, 'task')}</b> {data.waiting === 1 ? 'waits' : 'wait'}, <b>{count(data.active)}</b>{' '}
            are at work
            {data.paused ? ', and no worker takes another: the queue is paused.' : '.'}
          </>
        )
      }
      acts={
        data && (
          <>
            <Dashboard />
            <PauseButton isPaused={data.paused} />
          </>
        )
      }
    >
      {error ? (
        <ProblemPanel error={error} />
      ) : data ? (
        <div className="stack">
          <div className="summary">
            <Facts
              facts={[
                ...(['critical', 'high', 'normal', 'low'] as const).map(
                  (priority) => [capital(priority), count(data.waiting_by_priority[priority])] as const,
                ),
                ['Delayed', count(data.delayed)],
                ['Throttled', count(data.held)],
                ['Oldest', data.oldest_waiting_ms === null ? 'None' : duration(data.oldest_waiting_ms)],
              ]}
            />
          </div>
          <div className="halves">
            <RetryFailed />
            <Drain />
          </div>
        </div>
      ) : (
        <Loading />
      )}
    </AdminFrame>
  );
}

/** The dashboard of the queue's own library; the link works once. */
function Dashboard() {
  const open = useMutation({
    mutationFn: () => unwrap(api.POST('/api/v1/queue/dashboard')),
    onSuccess: ({ url }) => window.open(url, '_blank', 'noopener'),
  });
  return (
    <>
      {open.error && <ProblemPanel error={open.error} />}
      <Button small busy={open.isPending} onClick={() => open.mutate()}>
        Open the queue’s dashboard
      </Button>
    </>
  );
}

function RetryFailed() {
  const queries = useQueryClient();
  const retry = useMutation({
    mutationFn: (body: Schemas['RetryFailedDto']) => unwrap(api.POST('/api/v1/queue/retry', { body })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['queue'] }),
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const code = String(form.get('code')).trim();
    retry.mutate({ since: new Date(String(form.get('since'))).toISOString(), error_code: code || undefined });
  };
  const hourAgo = new Date(Date.now() - 3_600_000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  return (
    <Panel title="Run failed tasks again" note="a thousand at a time">
      <form className="in form" onSubmit={submit}>
        <div className="pair">
          <Field label="Submitted since" name="since" type="datetime-local" defaultValue={hourAgo} required />
          <Field label="Error code" hint="empty: all" name="code" placeholder="AGENT_TIMED_OUT" />
        </div>
        {retry.error && <ProblemPanel error={retry.error} />}
        {retry.data && (
          <p role="status">
            {plural(retry.data.retried, 'task')} queued again; {count(retry.data.failed)} of this kind are still failed.
          </p>
        )}
        <div className="row">
          <Button type="submit" busy={retry.isPending}>
            Run them again
          </Button>
        </div>
      </form>
    </Panel>
  );
}

function Drain() {
  const queries = useQueryClient();
  const [body, setBody] = useState<Schemas['DrainDto']>();
  const drain = useMutation({
    mutationFn: () => unwrap(api.POST('/api/v1/queue/drain', { body: body! })),
    onSuccess: () => {
      setBody(undefined);
      return queries.invalidateQueries({ queryKey: ['queue'] });
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const user = String(form.get('user')).trim();
    setBody({ reason: String(form.get('reason')), user_id: user || undefined });
  };
  return (
    <Panel title="Cancel what waits" note="a thousand at a time">
      <form className="in form" onSubmit={submit}>
        <Field label="Reason" hint="submitters read it" name="reason" required />
        <Field label="User id" hint="empty: everybody’s" name="user" />
        {drain.data && (
          <p role="status">
            {plural(drain.data.cancelled, 'task')} cancelled; {count(drain.data.waiting)} still wait.
          </p>
        )}
        <div className="row">
          <Button type="submit" look="danger">
            Cancel waiting tasks
          </Button>
        </div>
      </form>
      {body && (
        <Confirm
          title={body.user_id ? 'Cancel the waiting tasks of this user?' : 'Cancel the waiting tasks of everybody?'}
          action="Cancel waiting tasks"
          busy={drain.isPending}
          error={drain.error && <ProblemPanel error={drain.error} />}
          onConfirm={() => drain.mutate()}
          onClose={() => setBody(undefined)}
        >
          <p className="mute">Their submitters read “{body.reason}” as the error. Tasks at work go on.</p>
        </Confirm>
      )}
    </Panel>
  );
}
