import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, type Schemas, unwrap } from '../../api/client';
import { plural, shortId } from '../../lib/format';
import { Button, Empty, Id, Loading, Time } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';
import { AdminFrame } from './frame';

type AuditType = Schemas['AuditEventDto']['type'];

const TYPES: readonly AuditType[] = [
  ...(['login.succeeded', 'login.failed', 'login.throttled', 'session.refresh_reused'] as const),
  ...([
    'account.registered',
    'account.created',
    'account.suspended',
    'account.role_changed',
    'account.deleted',
  ] as const),
  ...(['account.password_changed', 'account.password_reset', 'api_key.created', 'api_key.revoked'] as const),
  ...(['agent.version_uploaded', 'agent.version_activated', 'agent.version_retired', 'agent.blocked'] as const),
  ...(['task.read', 'tasks.listed', 'task.cancelled', 'task.retried', 'feed.followed'] as const),
  ...(['queue.paused', 'queue.resumed', 'queue.drained', 'log_level.changed', 'announcement.made'] as const),
];

/** Who did what, newest first. */
export function Audit() {
  const [type, setType] = useState<AuditType>();
  const list = useInfiniteQuery({
    queryKey: ['audit', type],
    queryFn: ({ pageParam }) =>
      unwrap(api.GET('/api/v1/audit', { params: { query: { limit: 100, cursor: pageParam, type } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const events = list.data?.pages.flatMap(({ items }) => items) ?? [];
  return (
    <AdminFrame
      title="Audit trail"
      lead={list.data && `${plural(events.length, 'act')}${list.hasNextPage ? ' and more' : ''}, newest first.`}
      acts={
        <Button small glyph="retry" busy={list.isFetching} onClick={() => void list.refetch()}>
          Read again
        </Button>
      }
    >
      <div className="tools">
        <label className="select">
          <span className="sr">Only this kind of act</span>
          <select
            className="input"
            value={type ?? ''}
            onChange={(event) => setType((event.target.value || undefined) as AuditType)}
          >
            <option value="">Every kind of act</option>
            {TYPES.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </div>
      {list.error ? (
        <ProblemPanel error={list.error} />
      ) : (
        <section className="panel scroll" aria-label="Audit trail" tabIndex={0}>
          {!list.data ? (
            <Loading />
          ) : events.length === 0 ? (
            <Empty
              title="No act of this kind"
              action={<Button onClick={() => setType(undefined)}>Show every kind</Button>}
            />
          ) : (
            <table className="tbl">
              <thead>
                <tr>
                  <th>Time</th>
                  <th>Act</th>
                  <th>By</th>
                  <th>About</th>
                  <th>Address</th>
                  <th>Details</th>
                </tr>
              </thead>
              <tbody>
                {events.map(({ id, at, type: name, actor_id, key_id, subject_id, address, details }) => (
                  <tr key={id}>
                    <td>
                      <Time at={at} />
                    </td>
                    <td>{name}</td>
                    <td>
                      {actor_id ? (
                        <Id id={actor_id} what="the account’s id" />
                      ) : (
                        <span className="dim">Not signed in</span>
                      )}
                      {key_id && <span className="dim"> key {shortId(key_id)}</span>}
                    </td>
                    <td>
                      {subject_id ? <Id id={subject_id} what="the account’s id" /> : <span className="dim">–</span>}
                    </td>
                    <td className="mono">{address}</td>
                    <td className="mono dim cut wide" title={JSON.stringify(details)}>
                      {Object.keys(details).length > 0 && JSON.stringify(details)}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
          {list.hasNextPage && (
            <p className="note">
              <Button small busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
                Show more
              </Button>
            </p>
          )}
        </section>
      )}
    </AdminFrame>
  );
}
