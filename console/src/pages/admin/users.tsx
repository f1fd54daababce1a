import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { api, type Schemas, unwrap } from '../../api/client';
import { useUser } from '../../api/session';
import { capital, plural, shortDate } from '../../lib/format';
import { Button, Copy, Empty, Field, Id, Loading, Segments, Tag } from '../../ui/basics';
import { Confirm, Dialog } from '../../ui/dialog';
import { Glyph } from '../../ui/glyph';
import { ProblemPanel } from '../../ui/problem';
import { toast } from '../../ui/toasts';
import { AdminFrame } from './frame';

type Account = Schemas['AccountDto'];
type Filter = 'all' | 'admins' | 'suspended';

export function Users() {
  const queries = useQueryClient();
  const [filter, setFilter] = useState<Filter>('all');
  const [email, setEmail] = useState('');
  const [isNew, setNew] = useState(false);
  const list = useInfiniteQuery({
    queryKey: ['users', filter, email],
    queryFn: ({ pageParam }) =>
      unwrap(
        api.GET('/api/v1/users', {
          params: {
            query: {
              limit: 50,
              cursor: pageParam,
              email: email || undefined,
              role: filter === 'admins' ? 'admin' : undefined,
              suspended: filter === 'suspended' ? true : undefined,
            },
          },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const accounts = list.data?.pages.flatMap(({ items }) => items) ?? [];
  const renew = () => queries.invalidateQueries({ queryKey: ['users'] });
  return (
    <AdminFrame
      title="Users"
      lead={list.data && `${plural(accounts.length, 'account')}${list.hasNextPage ? ' and more' : ''}, newest first.`}
      acts={
        <Button small glyph="plus" onClick={() => setNew(true)}>
          New account
        </Button>
      }
    >
      <div className="tools">
        <Segments<Filter>
          label="Accounts"
          value={filter}
          options={[
            ['all', 'All'],
            ['admins', 'Admins'],
            ['suspended', 'Suspended'],
          ]}
          onChange={setFilter}
        />
        <form
          onSubmit={(event) => {
            event.preventDefault();
            setEmail(String(new FormData(event.currentTarget).get('email')).trim().toLowerCase());
          }}
        >
          <label className="find">
            <Glyph name="search" />
            <span className="sr">Search by email</span>
            <input data-search name="email" placeholder="Email, then Enter" />
            <kbd>/</kbd>
          </label>
        </form>
      </div>
      {list.error ? (
        <ProblemPanel error={list.error} />
      ) : (
        <section className="panel scroll" aria-label="Accounts" tabIndex={0}>
          {!list.data ? (
            <Loading />
          ) : accounts.length === 0 ? (
            <Empty title="No account fits">Search by the whole email, or show all.</Empty>
          ) : (
            <table className="tbl">
              <thead>
                <tr>
                  <th>Email</th>
                  <th>Role</th>
                  <th>State</th>
                  <th>Since</th>
                  <th>Id</th>
                  <th>
                    <span className="sr">Act</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {accounts.map((account) => (
                  <AccountRow key={account.id} account={account} onChange={renew} />
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
      {isNew && <NewAccount onClose={() => setNew(false)} onDone={renew} />}
    </AdminFrame>
  );
}

type Act = 'suspend' | 'unsuspend' | 'promote' | 'demote' | 'reset' | 'delete';

function AccountRow({ account, onChange }: { account: Account; onChange: () => unknown }) {
  const { id: own } = useUser();
  const [asked, setAsked] = useState<Act>();
  const [reason, setReason] = useState('');
  const { id, email, role, suspended_at, suspension_reason } = account;
  const act = useMutation({
    mutationFn: (what: Act): Promise<unknown> => {
      const params = { path: { id } };
      switch (what) {
        case 'suspend':
          return unwrap(api.POST('/api/v1/users/{id}/suspend', { params, body: { reason: reason || undefined } }));
        case 'unsuspend':
          return unwrap(api.POST('/api/v1/users/{id}/unsuspend', { params }));
        case 'reset':
          return unwrap(api.POST('/api/v1/users/{id}/password-reset', { params }));
        case 'delete':
          return unwrap(api.DELETE('/api/v1/users/{id}', { params }) as never);
        default:
          return unwrap(
            api.PATCH('/api/v1/users/{id}', { params, body: { role: what === 'promote' ? 'admin' : 'user' } }),
          );
      }
    },
    onSuccess: (_, what) => {
      if (what !== 'reset') setAsked(undefined);
      return onChange();
    },
  });
  const reset = act.variables === 'reset' ? (act.data as Schemas['PasswordResetDto'] | undefined) : undefined;
  const texts: Record<Act, [title: string, action: string, text: string]> = {
    suspend: [
      `Suspend ${email}?`,
      `Suspend ${email}`,
      'Neither its logins nor its API keys work while it is suspended.',
    ],
    unsuspend: [`End the suspension of ${email}?`, 'End the suspension', 'Its logins and API keys work again.'],
    promote: [`Make ${email} an admin?`, 'Make admin', 'Admins see every task and account, and can change them.'],
    demote: [`Make ${email} a user again?`, 'Make user', 'Its live connections as an admin end.'],
    reset: [`A new password for ${email}?`, 'Make a link', 'You get a token that sets a new password once.'],
    delete: [`Delete ${email}?`, `Delete ${email}`, 'Its agents are retired, and its tasks cancelled and deleted.'],
  };
  return (
    <tr>
      <td>{email}</td>
      <td>{role === 'admin' ? <Tag>Admin</Tag> : <span className="dim">{capital(role)}</span>}</td>
      <td title={suspension_reason ?? ''}>
        {suspended_at ? (
          <Tag tone="bad" glyph="x">
            Suspended {shortDate(suspended_at)}
          </Tag>
        ) : (
          <span className="dim">Good</span>
        )}
      </td>
      <td>{shortDate(account.created_at)}</td>
      <td>
        <Id id={id} what="the account’s id" />
      </td>
      <td className="num">
        {id === own ? (
          <span className="dim">You</span>
        ) : (
          <>
            <Button small look="quiet" onClick={() => setAsked('reset')}>
              Reset password
            </Button>
            <Button small look="quiet" onClick={() => setAsked(role === 'admin' ? 'demote' : 'promote')}>
              {role === 'admin' ? 'Make user' : 'Make admin'}
            </Button>
            <Button
              small
              look="quiet"
              className="danger"
              onClick={() => setAsked(suspended_at ? 'unsuspend' : 'suspend')}
            >
              {suspended_at ? 'Unsuspend' : 'Suspend'}
            </Button>
            <Button small look="quiet" className="danger" onClick={() => setAsked('delete')}>
              Delete
            </Button>
          </>
        )}
        {asked && reset && (
          <Dialog title={`New password for ${email}`} onClose={() => (setAsked(undefined), act.reset())}>
            <p className="mute">
              Give this to the user. It works once, until {shortDate(reset.expires_at)}, and is shown this once.
            </p>
            <p className="id">
              <code className="mono block">{reset.url ?? reset.token}</code>
              <Copy text={reset.url ?? reset.token} what="the link" />
            </p>
          </Dialog>
        )}
        {asked && !reset && (
          <Confirm
            title={texts[asked][0]}
            action={texts[asked][1]}
            busy={act.isPending}
            error={act.error && <ProblemPanel error={act.error} />}
            onConfirm={() => act.mutate(asked)}
            onClose={() => (setAsked(undefined), act.reset())}
          >
            <p className="mute">{texts[asked][2]}</p>
            {asked === 'suspend' && (
              <Field
                label="Reason"
                hint="the user reads it"
                value={reason}
                onChange={(event) => setReason(event.target.value)}
              />
            )}
          </Confirm>
        )}
      </td>
    </tr>
  );
}

function NewAccount({ onClose, onDone }: { onClose: () => void; onDone: () => unknown }) {
  const create = useMutation({
    mutationFn: (body: Schemas['CreateAccountDto']) => unwrap(api.POST('/api/v1/users', { body })),
    onSuccess: ({ email }) => {
      toast(`${email} has an account.`);
      onClose();
      return onDone();
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const role = form.get('admin') ? 'admin' : 'user';
    create.mutate({ email: String(form.get('email')), password: String(form.get('password')), role });
  };
  return (
    <Dialog title="New account" onClose={onClose}>
      <form onSubmit={submit}>
        <Field label="Email" name="email" type="email" required autoFocus />
        <Field
          label="Password"
          hint="10 characters or more"
          name="password"
          type="password"
          autoComplete="new-password"
          minLength={10}
          required
        />
        <label className="tick">
          <input type="checkbox" name="admin" /> Admin
        </label>
        {create.error && <ProblemPanel error={create.error} />}
        <div className="row end">
          <Button onClick={onClose}>Keep it as it is</Button>
          <Button type="submit" look="primary" busy={create.isPending}>
            Open the account
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
