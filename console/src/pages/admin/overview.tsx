import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { api, unwrap } from '../../api/client';
import { capital, clock, count, duration, plural } from '../../lib/format';
import { Minutes } from '../../plots/minutes';
import { Button, Empty, Loading, Panel } from '../../ui/basics';
import { Glyph } from '../../ui/glyph';
import { ProblemPanel } from '../../ui/problem';
import { AdminFrame } from './frame';
import {
  percentile,
  type Readiness,
  SHOWN_MINUTES,
  useGatewayStats,
  useQueueStats,
  useReadiness,
  useWatched,
  type Watched,
} from './live';

const PRIORITIES = ['critical', 'high', 'normal', 'low'] as const;
/** A task that waits longer than this needs a look, ms. */
const LONG_WAIT_MS = 10_000;

/** Whether the market is well, and where to look if not. */
export function Overview() {
  const watched = useWatched();
  const queue = useQueueStats();
  const gateway = useGatewayStats();
  const ready = useReadiness();
  const times = watched.minutes.map(({ at }) => at);
  const column = (name: 'submitted' | 'completed' | 'failed' | 'failovers') =>
    watched.minutes.map((minute) => minute[name]);
  const latency = (share: number) => watched.minutes.map(({ latencies }) => percentile(latencies, share));
  const waits = queue.data?.waiting_by_priority;
  return (
    <AdminFrame
      title="Overview"
      lead={queue.data && ready.data && <Lead watched={watched} queue={queue.data} ready={ready.data} />}
      acts={queue.data && <PauseButton isPaused={queue.data.paused} />}
    >
      {queue.error && <ProblemPanel error={queue.error} />}
      <section className="panel sheet" aria-label="Since this page was opened">
        <Minutes
          title="Throughput"
          unit={`tasks a minute, since ${clock(new Date(watched.since)).slice(0, 5)}`}
          times={times}
          span={SHOWN_MINUTES}
          least={5}
          bars={[{ name: 'completed', colour: 'var(--text-2)', values: column('completed') }]}
          lines={[{ name: 'submitted', colour: 'var(--control)', values: column('submitted') }]}
          format={count}
        />
        <Minutes
          title="Latency"
          unit="submission to end"
          times={times}
          span={SHOWN_MINUTES}
          least={100}
          lines={[
            { name: 'p50', colour: 'var(--control)', values: latency(0.5) },
            { name: 'p95', colour: 'var(--text)', values: latency(0.95) },
          ]}
          format={(ms) => (ms === 0 ? '0' : duration(ms))}
        />
        <Minutes
          title="Trouble"
          unit="a minute"
          times={times}
          span={SHOWN_MINUTES}
          least={5}
          bars={[
            { name: 'failed tasks', colour: 'var(--bad)', values: column('failed') },
            { name: 'failovers', colour: 'var(--control)', values: column('failovers') },
          ]}
          format={count}
        />
      </section>
      <div className="rows">
        <Panel
          title="Queue"
          note={
            queue.data &&
            `${count(queue.data.waiting)} wait, ${count(queue.data.active)} at work, ${count(queue.data.delayed)} delayed, ${count(queue.data.held)} throttled`
          }
        >
          {waits ? (
            <table className="tbl">
              <thead>
                <tr>
                  <th>Priority</th>
                  <th className="num">Waiting</th>
                </tr>
              </thead>
              <tbody>
                {PRIORITIES.map((priority) => (
                  <tr key={priority}>
                    <td className="strong">{capital(priority)}</td>
                    <td className="num">{count(waits[priority])}</td>
                  </tr>
                ))}
                <tr>
                  <td className="dim">Oldest that may begin</td>
                  <td className="num dim">
                    {queue.data?.oldest_waiting_ms === null ? 'None' : duration(queue.data?.oldest_waiting_ms ?? 0)}
                  </td>
                </tr>
              </tbody>
            </table>
          ) : (
            <Loading />
          )}
        </Panel>
        <Panel
          title="Depends on"
          end={
            <Link className="link" to="/admin/health">
              Health
            </Link>
          }
        >
          {ready.data ? <Dependencies ready={ready.data} /> : <Loading />}
        </Panel>
      </div>
      <div className="rows eq">
        <Panel title="Why tasks failed" note="since this page was opened">
          {watched.failures.size === 0 ? (
            <Empty title="No task failed since then">A failed task appears here with the code of its error.</Empty>
          ) : (
            <table className="tbl">
              <thead>
                <tr>
                  <th>Error</th>
                  <th className="num">Tasks</th>
                  <th>Agent of the last</th>
                </tr>
              </thead>
              <tbody>
                {[...watched.failures]
                  .sort(([, a], [, b]) => b.tasks - a.tasks)
                  .map(([code, { tasks, agent }]) => (
                    <tr key={code}>
                      <td className="mono">{code}</td>
                      <td className="num">{count(tasks)}</td>
                      <td>{agent}</td>
                    </tr>
                  ))}
              </tbody>
            </table>
          )}
        </Panel>
        <Panel title="Live connections" note="of this process">
          {gateway.data ? (
            <table className="tbl">
              <tbody>
                <Figure
                  name="WebSockets"
                  value={`${count(gateway.data.sockets)} of ${plural(gateway.data.users, 'user')}`}
                />
                <Figure name="Events delivered" value={count(gateway.data.delivered)} />
                <Figure name="Readers that were too slow" value={count(gateway.data.lagging)} />
                <Figure
                  name="Feed"
                  value={`event ${count(gateway.data.feed_seq)}, ${gateway.data.position >= gateway.data.feed_seq ? 'all read' : `${count(gateway.data.feed_seq - gateway.data.position)} to read`}`}
                />
              </tbody>
            </table>
          ) : (
            <Loading />
          )}
        </Panel>
      </div>
    </AdminFrame>
  );
}

function Figure({ name, value }: { name: string; value: ReactNode }) {
  return (
    <tr>
      <td>{name}</td>
      <td className="num">{value}</td>
    </tr>
  );
}

export function Dependencies({ ready }: { ready: Readiness }) {
  return (
    <table className="tbl">
      <tbody>
        {Object.entries(ready.dependencies).map(([name, { status, ms, reason, required }]) => (
          <tr key={name}>
            <td>
              <span className={`st ${status === 'up' ? 'completed' : 'failed'}`}>
                <Glyph name={status === 'up' ? 'completed' : 'failed'} />
                {capital(name.replaceAll('_', ' '))}
              </span>
            </td>
            <td className="mute">{status === 'up' ? 'Up' : (reason ?? 'Down')}</td>
            <td className="dim">{required ? 'Required' : 'Optional'}</td>
            <td className="num">{duration(ms)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

type QueueStats = NonNullable<ReturnType<typeof useQueueStats>['data']>;

function Lead({ watched, queue, ready }: { watched: Watched; queue: QueueStats; ready: Readiness }) {
  const latest = watched.minutes.flatMap(({ latencies }) => latencies);
  const p95 = percentile(latest, 0.95);
  const done = watched.minutes.reduce((sum, { completed }) => sum + completed, 0);
  const troubles = [
    queue.paused && 'the queue is paused',
    (queue.oldest_waiting_ms ?? 0) > LONG_WAIT_MS && `a task waits ${duration(queue.oldest_waiting_ms!)}`,
    ...Object.entries(ready.dependencies)
      .filter(([, { status }]) => status === 'down')
      .map(([name]) => `${name.replaceAll('_', ' ')} is away`),
  ].filter((trouble) => trouble !== false);
  return (
    <>
      {done > 0 ? (
        <>
          <b>{plural(done, 'task')}</b> completed since this page was opened
          {p95 !== undefined && (
            <>
              , 95 of 100 within <b>{duration(p95)}</b>
            </>
          )}
          .{' '}
        </>
      ) : (
        <>
          <b>{plural(queue.waiting, 'task')}</b> {queue.waiting === 1 ? 'waits' : 'wait'} and{' '}
          <b>{count(queue.active)}</b> are at work.{' '}
        </>
      )}
      {troubles.length === 0 ? (
        'Nothing needs a look.'
      ) : (
        <>
          Look at: <b>{troubles.join(', ')}</b>.
        </>
      )}
    </>
  );
}

export function PauseButton({ isPaused }: { isPaused: boolean }) {
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: () => unwrap(isPaused ? api.POST('/api/v1/queue/resume') : api.POST('/api/v1/queue/pause')),
    onSuccess: (stats) => queries.setQueryData(['queue'], stats),
  });
  return (
    <>
      {change.error && <ProblemPanel error={change.error} />}
      <Button small look={isPaused ? 'primary' : undefined} busy={change.isPending} onClick={() => change.mutate()}>
        {isPaused ? 'Resume the queue' : 'Pause the queue'}
      </Button>
    </>
  );
}
