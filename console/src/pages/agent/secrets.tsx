import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import type { FormEvent } from 'react';
import { api, unwrap } from '../../api/client';
import { plural, shortDate } from '../../lib/format';
import { Button, Field, Loading, Panel } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';
import { toast } from '../../ui/toasts';

/** Secrets that an agent's web requests may carry. Values go in and never come out. */
export function SecretsPanel({ agentId }: { agentId: string }) {
  const queries = useQueryClient();
  const path = { id: agentId };
  const queryKey = ['secrets', agentId];
  const secrets = useQuery({
    queryKey,
    queryFn: () => unwrap(api.GET('/api/v1/agents/{id}/secrets', { params: { path } })),
  });
  const done = (text: string): void => {
    toast(text);
    void queries.invalidateQueries({ queryKey });
  };
  const set = useMutation({
    mutationFn: ({ name, ...body }: { name: string; host: string; value: string }) =>
      unwrap(api.PUT('/api/v1/agents/{id}/secrets/{name}', { params: { path: { ...path, name } }, body })),
    onSuccess: ({ name }) => done(`${name} is set.`),
  });
  const remove = useMutation({
    mutationFn: (name: string) =>
      unwrap(api.DELETE('/api/v1/agents/{id}/secrets/{name}', { params: { path: { ...path, name } } })),
    onSuccess: () => done('Deleted.'),
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const typed = new FormData(form);
    const text = (name: string): string => String(typed.get(name) ?? '').trim();
    const secret = { name: text('name'), host: text('host'), value: text('value') };
    set.mutate(secret, { onSuccess: () => form.reset() });
  };
  if (secrets.error) return <ProblemPanel error={secrets.error} />;
  if (!secrets.data) return <Loading />;
  const { items } = secrets.data;
  return (
    <Panel title="Secrets" note={items.length > 0 ? plural(items.length, 'secret') : 'None yet'}>
      {items.length > 0 && (
        <div className="scroll" tabIndex={0} role="group" aria-label="Secrets">
          <table className="tbl">
            <thead>
              <tr>
                <th>Name</th>
                <th>Sent only to</th>
                <th className="num">Set</th>
                <th>
                  <span className="sr">Act</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map(({ name, host, set_at }) => (
                <tr key={name}>
                  <td className="mono">{name}</td>
                  <td>{host}</td>
                  <td className="num">{shortDate(set_at)}</td>
                  <td className="num">
                    <Button look="quiet" small className="danger" onClick={() => remove.mutate(name)}>
                      Delete
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <form className="in form" onSubmit={submit}>
        <div className="pair">
          <Field label="Name" name="name" required pattern="[A-Za-z][A-Za-z0-9_]*" placeholder="GITHUB_TOKEN" />
          <Field label="Host" name="host" required placeholder="api.github.com" />
        </div>
        <Field label="Value" hint="never shown again" name="value" type="password" required autoComplete="off" />
        <p className="hint">
          The agent writes {'{{secret:NAME}}'} into a header of a web request. It never sees the value.
        </p>
        {(set.error ?? remove.error) && <ProblemPanel error={set.error ?? remove.error} />}
        <div className="row">
          <Button type="submit" busy={set.isPending}>
            Set the secret
          </Button>
        </div>
      </form>
    </Panel>
  );
}
