import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect } from 'react';
import { api, type Schemas, unwrap } from '../../api/client';
import { onOwnEvents } from '../../api/feed';
import { type Task, useAgentNames } from '../../api/queries';
import type { FeedEvent } from '../../lib/events';
import { credits, plural } from '../../lib/format';
import { Panel, State } from '../../ui/basics';

const MOST = 100;

/** Tasks that the agents of this task have submitted. */
export function SubTasksPanel({ task }: { task: Task }) {
  const queries = useQueryClient();
  const nameOf = useAgentNames();
  const children = useQuery({
    queryKey: ['sub-tasks', task.id],
    queryFn: () => unwrap(api.GET('/api/v1/tasks', { params: { query: { parent_id: task.id, limit: MOST } } })),
  });
  useEffect(
    () =>
      onOwnEvents((events) => {
        const known = queries.getQueryData<Schemas['TaskPage']>(['sub-tasks', task.id]);
        const isChild = ({ task_id, data }: FeedEvent): boolean =>
          data.parent_id === task.id || (known?.items.some(({ id }) => id === task_id) ?? false);
        if (events.some(isChild)) void queries.invalidateQueries({ queryKey: ['sub-tasks', task.id] });
      }),
    [queries, task.id],
  );
  const items = children.data?.items.toReversed() ?? [];
  if (items.length === 0) return null;
  return (
    <Panel title="Sub-tasks" note={plural(items.length, 'task')}>
      <div className="scroll tall" tabIndex={0} role="group" aria-label="Sub-tasks">
        <table className="tbl">
          <thead>
            <tr>
              <th>State</th>
              <th>Task</th>
              <th>Agent</th>
              <th className="num">Cost</th>
              <th className="num">Budget</th>
            </tr>
          </thead>
          <tbody>
            {items.map(({ id, status, description, required_capabilities, agent_id, cost, budget, error }) => (
              <tr key={id}>
                <td>
                  <State status={status} />
                </td>
                <td>
                  <Link to="/tasks/$taskId" params={{ taskId: id }}>
                    {description || required_capabilities.join(', ')}
                  </Link>{' '}
                  {error && <span className="tag bad">{error.code}</span>}
                </td>
                <td>{agent_id ? (nameOf(agent_id) ?? 'An agent') : <span className="dim">–</span>}</td>
                <td className="num">{cost === null ? <span className="dim">–</span> : credits(cost)}</td>
                <td className="num dim">{credits(budget)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}
