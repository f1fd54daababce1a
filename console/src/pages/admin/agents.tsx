import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { api, unwrap } from '../../api/client';
import { type Agent, forgetAgent } from '../../api/queries';
import { count, credits, plural, shortDate } from '../../lib/format';
import { Button, Empty, Field, Id, Loading, Segments } from '../../ui/basics';
import { Confirm } from '../../ui/dialog';
import { ProblemPanel } from '../../ui/problem';
import { AdminFrame } from './frame';

type Moderation = Agent['moderation'];

/** Which agents may be on the market. */
export function Agents() {
  const [status, setStatus] = useState<Moderation>('allowed');
  const list = useQuery({
    queryKey: ['moderation', status],
    queryFn: () => unwrap(api.GET('/api/v1/moderation/agents', { params: { query: { status, limit: 100 } } })),
  });
  const agents = list.data?.items ?? [];
  const words = { allowed: 'allowed on the market', pending: 'waiting for approval', blocked: 'blocked' }[status];
  return (
    <AdminFrame
      title="Agents"
      lead={list.data && `${plural(agents.length, 'agent')}${list.data.next_cursor ? ' or more' : ''} ${words}.`}
    >
      <div className="tools">
        <Segments<Moderation>
          label="State"
          value={status}
          options={[
            ['allowed', 'Allowed'],
            ['pending', 'Awaiting approval'],
            ['blocked', 'Blocked'],
          ]}
          onChange={setStatus}
        />
      </div>
      {list.error ? (
        <ProblemPanel error={list.error} />
      ) : (
        <section className="panel scroll" aria-label="Agents" tabIndex={0}>
          {!list.data ? (
            <Loading />
          ) : agents.length === 0 ? (
            <Empty title={`No agent is ${words}`} />
          ) : (
            <table className="tbl">
              <thead>
                <tr>
                  <th>Agent</th>
                  <th>Version</th>
                  <th className="num">Price</th>
                  <th className="num">Done</th>
                  <th className="num">Failed attempts</th>
                  <th>Owner</th>
                  <th>Reason</th>
                  <th>Since</th>
                  <th>
                    <span className="sr">Act</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {agents.map((agent) => (
                  <AgentRow key={agent.id} agent={agent} />
                ))}
              </tbody>
            </table>
          )}
        </section>
      )}
    </AdminFrame>
  );
}

function AgentRow({ agent }: { agent: Agent }) {
  const queries = useQueryClient();
  const [isBlocking, setBlocking] = useState(false);
  const [reason, setReason] = useState('');
  const { id, name, moderation } = agent;
  const decide = useMutation({
    mutationFn: (what: 'block' | 'unblock' | 'approve') => {
      const params = { path: { id } };
      if (what === 'block') return unwrap(api.POST('/api/v1/agents/{id}/block', { params, body: { reason } }));
      if (what === 'unblock') return unwrap(api.POST('/api/v1/agents/{id}/unblock', { params }));
      return unwrap(api.POST('/api/v1/agents/{id}/approve', { params }));
    },
    onSuccess: () => {
      setBlocking(false);
      forgetAgent(queries, id);
      return queries.invalidateQueries({ queryKey: ['moderation'] });
    },
  });
  return (
    <tr>
      <td className="strong">
        <Link to="/market/$agentId" params={{ agentId: id }}>
          {name}
        </Link>
      </td>
      <td>{agent.version ?? <span className="dim">None</span>}</td>
      <td className="num">{credits(agent.price)}</td>
      <td className="num">{count(agent.statistics.tasks_completed)}</td>
      <td className="num">{count(agent.statistics.attempts_failed)}</td>
      <td>
        <Id id={agent.owner_id} what="the owner’s id" />
      </td>
      <td className="mute cut wide">{agent.moderation_reason}</td>
      <td>{shortDate(agent.created_at)}</td>
      <td className="num">
        {moderation === 'pending' && (
          <Button small look="quiet" busy={decide.isPending} onClick={() => decide.mutate('approve')}>
            Approve
          </Button>
        )}
        {moderation === 'blocked' ? (
          <Button small look="quiet" busy={decide.isPending} onClick={() => decide.mutate('unblock')}>
            Unblock
          </Button>
        ) : (
          <Button small look="quiet" className="danger" onClick={() => setBlocking(true)}>
            Block
          </Button>
        )}
        {decide.error && !isBlocking && <ProblemPanel error={decide.error} />}
        {isBlocking && (
          <Confirm
            title={`Block ${name}?`}
            action={`Block ${name}`}
            busy={decide.isPending}
            error={decide.error && <ProblemPanel error={decide.error} />}
            onConfirm={() => decide.mutate('block')}
            onClose={() => setBlocking(false)}
          >
            <p className="mute">It no longer bids. Tasks that it works on finish.</p>
            <Field
              label="Reason"
              hint="its owner reads it"
              required
              value={reason}
              onChange={(event) => setReason(event.target.value)}
            />
          </Confirm>
        )}
      </td>
    </tr>
  );
}
