import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, type Schemas, unwrap } from '../../api/client';
import { useSpendingLimits } from '../../api/ledger';
import { useUser } from '../../api/session';
import { shortDate } from '../../lib/format';
import { Ago, Button, Copy, Empty, Field, Loading, Panel, Tag } from '../../ui/basics';
import { Confirm } from '../../ui/dialog';
import { ProblemPanel } from '../../ui/problem';
import { toast } from '../../ui/toasts';
import { LimitForm, limitText } from '../wallet/limits';

type Scope = Schemas['CreateApiKeyDto']['scopes'][number];
type ApiKey = Schemas['ApiKeyDto'];

const SCOPES: readonly Scope[] = [
  ...(['tasks:read', 'tasks:write', 'agents:read', 'agents:write', 'account:read', 'account:write'] as const),
  'admin',
];

/** Keys for programs. A key is shown once, right after it was made. */
export function ApiKeys() {
  const queries = useQueryClient();
  const [isNew, setNew] = useState(false);
  const [revoking, setRevoking] = useState<ApiKey>();
  const [limiting, setLimiting] = useState<ApiKey>();
  const limits = useSpendingLimits();
  const limitOf = (key: ApiKey) => limits.data?.items.find(({ key_id }) => key_id === key.id);
  const keys = useQuery({
    queryKey: ['api-keys'],
    queryFn: () => unwrap(api.GET('/api/v1/auth/api-keys', { params: { query: { limit: 100 } } })),
  });
  const renew = () => queries.invalidateQueries({ queryKey: ['api-keys'] });
  const create = useMutation({
    mutationFn: (body: Schemas['CreateApiKeyDto']) => unwrap(api.POST('/api/v1/auth/api-keys', { body })),
    onSuccess: () => {
      setNew(false);
      return renew();
    },
  });
  const revoke = useMutation({
    mutationFn: (id: string) => unwrap(api.DELETE('/api/v1/auth/api-keys/{id}', { params: { path: { id } } })),
    onSuccess: () => {
      toast('Revoked.');
      setRevoking(undefined);
      return renew();
    },
  });
  const made = create.data;
  return (
    <Panel
      title="API keys"
      note="For programs, in X-API-Key"
      end={
        <Button small glyph="plus" onClick={() => setNew(!isNew)} aria-expanded={isNew}>
          New key
        </Button>
      }
    >
      {isNew && <NewKey error={create.error} busy={create.isPending} onCreate={(body) => create.mutate(body)} />}
      {made && (
        <div className="note column shown-once" role="status">
          <p>
            <b>This is the key “{made.name}”. It is shown this once:</b> copy it now.
          </p>
          <p className="id">
            <code className="mono block" tabIndex={0}>
              {made.key}
            </code>
            <Copy text={made.key} what="the key" />
          </p>
        </div>
      )}
      {keys.error ? (
        <ProblemPanel error={keys.error} />
      ) : !keys.data ? (
        <Loading lines={2} />
      ) : keys.data.items.length === 0 ? (
        <Empty title="No API keys">A key lets a program act for you, within the scopes you choose.</Empty>
      ) : (
        <div className="scroll" tabIndex={0} role="group" aria-label="API keys">
          <table className="tbl">
            <thead>
              <tr>
                <th>Name</th>
                <th>Key</th>
                <th>Scopes</th>
                <th>Made</th>
                <th>Expires</th>
                <th>Last used</th>
                <th>May spend</th>
                <th>
                  <span className="sr">Act</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {keys.data.items.map((key) => (
                <tr key={key.id} className={key.revoked_at ? 'dim' : ''}>
                  <td>{key.name}</td>
                  <td className="mono">{key.prefix}…</td>
                  <td>{key.scopes.join(', ')}</td>
                  <td>{shortDate(key.created_at)}</td>
                  <td>{key.expires_at ? shortDate(key.expires_at) : 'Never'}</td>
                  <td>{key.last_used_at ? <Ago at={key.last_used_at} /> : 'Never'}</td>
                  <td>{!key.revoked_at && limits.data && limitText(limitOf(key))}</td>
                  <td className="num">
                    {key.revoked_at ? (
                      <Tag>Revoked</Tag>
                    ) : (
                      <>
                        <Button look="quiet" small onClick={() => setLimiting(key)}>
                          Limit
                        </Button>
                        <Button look="quiet" small className="danger" onClick={() => setRevoking(key)}>
                          Revoke
                        </Button>
                      </>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {limits.error && <ProblemPanel error={limits.error} />}
      {limiting && (
        <LimitForm
          key={limiting.id}
          title={`What the key “${limiting.name}” may spend`}
          keyId={limiting.id}
          limit={limitOf(limiting)}
          onDone={() => setLimiting(undefined)}
        />
      )}
      {revoking && (
        <Confirm
          title={`Revoke the key “${revoking.name}”?`}
          action="Revoke the key"
          busy={revoke.isPending}
          error={revoke.error && <ProblemPanel error={revoke.error} />}
          onConfirm={() => revoke.mutate(revoking.id)}
          onClose={() => setRevoking(undefined)}
        >
          <p className="mute">Programs that use it are refused from now on.</p>
        </Confirm>
      )}
    </Panel>
  );
}

interface NewKeyProps {
  error: unknown;
  busy: boolean;
  onCreate: (body: Schemas['CreateApiKeyDto']) => void;
}

function NewKey({ error, busy, onCreate }: NewKeyProps) {
  const { role } = useUser();
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const expires = String(form.get('expires') ?? '');
    onCreate({
      name: String(form.get('name')),
      scopes: form.getAll('scope') as Scope[],
      expires_at: expires ? new Date(expires).toISOString() : undefined,
    });
  };
  return (
    <form className="in form ruled-below" onSubmit={submit}>
      <div className="pair">
        <Field label="Name" hint="for you" name="name" required autoFocus />
        <Field label="Expires" hint="empty: never" name="expires" type="datetime-local" />
      </div>
      <fieldset className="scopes">
        <legend className="lab">Scopes</legend>
        {SCOPES.filter((scope) => scope !== 'admin' || role === 'admin').map((scope) => (
          <label key={scope} className="tick">
            <input type="checkbox" name="scope" value={scope} defaultChecked={scope.startsWith('tasks:')} /> {scope}
          </label>
        ))}
      </fieldset>
      {Boolean(error) && <ProblemPanel error={error} />}
      <div className="row">
        <Button type="submit" busy={busy}>
          Make the key
        </Button>
      </div>
    </form>
  );
}
