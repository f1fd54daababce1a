import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { FormEvent } from 'react';
import { api, type Schemas, unwrap } from '../../api/client';
import { Button, Field, Loading, Panel } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';
import { toast } from '../../ui/toasts';
import { AdminFrame } from './frame';
import { useReadiness } from './live';
import { Dependencies } from './overview';

type Level = Schemas['LogLevelDto']['level'];
const LEVELS: readonly Level[] = ['fatal', 'error', 'warn', 'log', 'debug', 'verbose'];

/** Whether everything that the server depends on is there; its log; a message to everybody. */
export function Health() {
  const ready = useReadiness();
  const down = Object.values(ready.data?.dependencies ?? {}).filter(({ status }) => status === 'down').length;
  const all = Object.keys(ready.data?.dependencies ?? {}).length;
  return (
    <AdminFrame
      title="Health"
      lead={
        ready.data && (
          <>
            Release {ready.data.version}.{' '}
            {down === 0 ? <>All {all} dependencies are up.</> : <b>{`${down} of ${all} are down.`}</b>}
          </>
        )
      }
      acts={
        <Button small glyph="retry" busy={ready.isFetching} onClick={() => void ready.refetch()}>
          Check again
        </Button>
      }
    >
      <div className="halves">
        <Panel title="Depends on">
          {ready.error ? (
            <ProblemPanel error={ready.error} />
          ) : ready.data ? (
            <Dependencies ready={ready.data} />
          ) : (
            <Loading />
          )}
        </Panel>
        <div className="stack">
          <LogLevel />
          <Announcement />
        </div>
      </div>
    </AdminFrame>
  );
}

function LogLevel() {
  const queries = useQueryClient();
  const level = useQuery({ queryKey: ['log-level'], queryFn: () => unwrap(api.GET('/api/v1/log-level')) });
  const change = useMutation({
    mutationFn: (next: Level) => unwrap(api.PUT('/api/v1/log-level', { body: { level: next } })),
    onSuccess: (answer) => {
      queries.setQueryData(['log-level'], answer);
      toast(`The log level is ${answer.level}.`);
    },
  });
  return (
    <Panel title="Log level" note="of every process, until it restarts">
      <div className="in">
        {level.data ? (
          <div className="seg" role="group" aria-label="Log level">
            {LEVELS.map((name) => (
              <button
                key={name}
                type="button"
                aria-pressed={name === level.data.level}
                onClick={() => change.mutate(name)}
              >
                {name}
              </button>
            ))}
          </div>
        ) : (
          <Loading lines={1} />
        )}
      </div>
      {(level.error ?? change.error) && <ProblemPanel error={level.error ?? change.error} />}
    </Panel>
  );
}

function Announcement() {
  const announce = useMutation({
    mutationFn: (message: string) => unwrap(api.POST('/api/v1/gateway/announcements', { body: { message } })),
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    announce.mutate(String(new FormData(form).get('message')), { onSuccess: () => form.reset() });
  };
  return (
    <Panel title="Announcement" note="to everybody who is connected">
      <form className="in form" onSubmit={submit}>
        <Field label="Message" name="message" required />
        {announce.error && <ProblemPanel error={announce.error} />}
        <div className="row">
          <Button type="submit" busy={announce.isPending}>
            Announce it
          </Button>
          {announce.data && <span role="status">Announced.</span>}
        </div>
      </form>
    </Panel>
  );
}
