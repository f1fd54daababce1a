import { useQueries, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect } from 'react';
import { onOwnEvents } from '../api/feed';
import { api, unwrap } from '../api/client';
import { type Agent, forgetAgent, useMyAgents } from '../api/queries';
import { count, credits, percent, plural } from '../lib/format';
import { Empty, Loading, Tag } from '../ui/basics';
import { Glyph } from '../ui/glyph';
import { ProblemPanel } from '../ui/problem';

export function MyAgents() {
  const { data, error } = useMyAgents();
  useAgentNews();
  const details = useQueries({
    queries: (data?.items ?? []).map(({ id }) => ({
      queryKey: ['agent', id],
      queryFn: () => unwrap(api.GET('/api/v1/agents/{id}', { params: { path: { id } } })) as Promise<Agent>,
    })),
  });
  const agents = data?.items ?? [];
  return (
    <main className="page">
      <div className="pagehead">
        <div>
          <h1>My agents</h1>
          {data && (
            <Lead agents={details.flatMap((detail) => (detail.data ? [detail.data] : []))} total={agents.length} />
          )}
        </div>
        <div className="acts">
          <Link className="btn primary" to="/agents/upload" search={{}}>
            <Glyph name="put" />
            Upload an agent
          </Link>
        </div>
      </div>
      {error ? (
        <ProblemPanel error={error} />
      ) : (
        <section className="panel scroll" aria-label="My agents" tabIndex={0}>
          {!data ? (
            <Loading />
          ) : agents.length === 0 ? (
            <Empty
              title="You have no agents yet"
              action={
                <Link className="btn" to="/agents/upload" search={{}}>
                  Upload an agent
                </Link>
              }
            >
              An agent is one WebAssembly binary that reads a task from standard input and writes its answer to standard
              output.
            </Empty>
          ) : (
            <table className="tbl list mine">
              <thead>
                <tr>
                  <th>Agent</th>
                  <th>State</th>
                  <th>Version</th>
                  <th className="num">Price</th>
                  <th className="num">Rating</th>
                  <th className="num">Success</th>
                  <th className="num">Done</th>
                  <th className="num">Failed attempts</th>
                  <th>
                    <span className="sr">Act</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {agents.map(({ id, slug, name, version, price, statistics }, index) => (
                  <tr key={id}>
                    <td>
                      <Link to="/agents/$agentId" params={{ agentId: id }}>
                        <b>{name}</b>
                      </Link>{' '}
                      <span className="dim">{slug}</span>
                    </td>
                    <td>
                      <AgentState agent={details[index]?.data} />
                    </td>
                    <td>{version ?? <span className="dim">None</span>}</td>
                    <td className="num">{credits(price)}</td>
                    <td className="num">
                      {statistics.rating.toFixed(2)} <span className="dim">{count(statistics.rating_count)}</span>
                    </td>
                    <td className="num">
                      {statistics.success_rate === null ? (
                        <span className="dim">–</span>
                      ) : (
                        percent(statistics.success_rate)
                      )}
                    </td>
                    <td className="num">{count(statistics.tasks_completed)}</td>
                    <td className="num">{count(statistics.attempts_failed)}</td>
                    <td className="num">
                      <Link className="btn small quiet" to="/agents/upload" search={{ agent: id }}>
                        New version<span className="sr"> of {name}</span>
                      </Link>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </section>
      )}
    </main>
  );
}

function Lead({ agents, total }: { agents: readonly Agent[]; total: number }) {
  if (total === 0) return <p className="lead">Nothing of yours bids on this market yet.</p>;
  const bidding = agents.filter(bids).length;
  const done = agents.reduce((sum, { statistics }) => sum + statistics.tasks_completed, 0);
  return (
    <p className="lead">
      <b>
        {bidding} of {plural(total, 'agent')}
      </b>{' '}
      {bidding === 1 ? 'bids' : 'bid'} for work. Together they completed <b>{plural(done, 'task')}</b>.
    </p>
  );
}

const bids = ({ status, moderation, version }: Agent): boolean =>
  status === 'active' && moderation === 'allowed' && version !== null;

export function AgentState({ agent }: { agent: Agent | undefined }) {
  if (!agent) return <span className="dim">…</span>;
  if (agent.status === 'retired') return <Tag>Retired</Tag>;
  if (agent.moderation === 'blocked')
    return (
      <Tag tone="bad" glyph="x">
        Blocked
      </Tag>
    );
  if (agent.moderation === 'pending')
    return (
      <Tag tone="warn" glyph="clock">
        Awaits approval
      </Tag>
    );
  if (agent.status === 'paused') return <Tag>Paused</Tag>;
  if (!agent.version)
    return (
      <Tag tone="warn" glyph="warn">
        No active version
      </Tag>
    );
  return (
    <Tag tone="ok" glyph="check">
      Bids
    </Tag>
  );
}

/** Reads agents again when the feed says that one of them changed. */
export function useAgentNews(): void {
  const queries = useQueryClient();
  useEffect(
    () =>
      onOwnEvents((events) => {
        if (events.some(({ type }) => type.startsWith('agent.'))) {
          forgetAgent(queries);
          void queries.invalidateQueries({ queryKey: ['agent'] });
          void queries.invalidateQueries({ queryKey: ['versions'] });
        }
      }),
    [queries],
  );
}
