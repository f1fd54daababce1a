import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, unwrap } from '../../api/client';
import { bytes, plural, shortDate } from '../../lib/format';
import { Button, Loading, Panel } from '../../ui/basics';
import { JsonTree } from '../../ui/json-tree';
import { ProblemPanel } from '../../ui/problem';
import { toast } from '../../ui/toasts';

/** What an agent keeps between tasks: keys, their values on request, and a way to delete them. */
export function StatePanel({ agentId }: { agentId: string }) {
  const queries = useQueryClient();
  const [prefix, setPrefix] = useState('');
  const [opened, setOpened] = useState<string>();
  const query = { prefix, limit: 100 };
  const state = useQuery({
    queryKey: ['state', agentId, prefix],
    queryFn: () => unwrap(api.GET('/api/v1/agents/{id}/kv', { params: { path: { id: agentId }, query } })),
  });
  const remove = useMutation({
    mutationFn: (key: string) =>
      unwrap(api.DELETE('/api/v1/agents/{id}/kv/{key}', { params: { path: { id: agentId, key } } })),
    onSuccess: () => {
      toast('Deleted.');
      void queries.invalidateQueries({ queryKey: ['state', agentId] });
    },
  });
  if (state.error) return <ProblemPanel error={state.error} />;
  if (!state.data) return <Loading />;
  const { items, entries, bytes: size, next_cursor } = state.data;
  if (entries === 0 && !prefix) return null;
  return (
    <Panel title="State" note={`${plural(entries, 'key')}, ${bytes(size)}`}>
      <div className="in">
        <label className="field">
          <span className="lab">Keys that begin with</span>
          <input className="input" value={prefix} onChange={({ target }) => setPrefix(target.value)} />
        </label>
      </div>
      <div className="scroll tall" tabIndex={0} role="group" aria-label="State">
        <table className="tbl">
          <thead>
            <tr>
              <th>Key</th>
              <th className="num">Size</th>
              <th className="num">Written</th>
              <th>
                <span className="sr">Act</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {items.map((item) => (
              <tr key={item.key}>
                <td className="mono">
                  {item.key}
                  {opened === item.key && <Value agentId={agentId} name={item.key} />}
                </td>
                <td className="num">{bytes(item.bytes)}</td>
                <td className="num">{shortDate(item.updated_at)}</td>
                <td className="num">
                  <Button
                    look="quiet"
                    small
                    onClick={() => setOpened(opened === item.key ? undefined : item.key)}
                    aria-expanded={opened === item.key}
                  >
                    Value
                  </Button>
                  <Button look="quiet" small className="danger" onClick={() => remove.mutate(item.key)}>
                    Delete
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {next_cursor && <p className="hint in">These are the first 100 keys: type a prefix to see others.</p>}
      {remove.error && <ProblemPanel error={remove.error} />}
    </Panel>
  );
}

function Value({ agentId, name }: { agentId: string; name: string }) {
  const entry = useQuery({
    queryKey: ['state', agentId, 'value', name],
    queryFn: () => unwrap(api.GET('/api/v1/agents/{id}/kv/{key}', { params: { path: { id: agentId, key: name } } })),
  });
  if (entry.error) return <ProblemPanel error={entry.error} />;
  return entry.data ? <JsonTree value={entry.data.value} label={`Value of ${name}`} /> : <Loading />;
}
