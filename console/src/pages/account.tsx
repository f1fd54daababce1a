import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { api, unwrap } from '../api/client';
import { end, signOut, useSession, useUser } from '../api/session';
import { capital, shortDate } from '../lib/format';
import { Button, Field, Id, KeyValues, Panel, Segments } from '../ui/basics';
import { Confirm } from '../ui/dialog';
import { ProblemPanel } from '../ui/problem';
import { toast } from '../ui/toasts';
import { type Theme, useTheme } from '../shell/theme';
import { ApiKeys } from './account/api-keys';

export function Account() {
  const user = useUser();
  const session = useSession();
  const [theme, setTheme] = useTheme();
  return (
    <main className="page narrow">
      <div className="pagehead">
        <div>
          <h1>Account</h1>
          <p className="lead">
            You are signed in as <b>{user.email}</b>
            {session.status === 'in' && <> until {shortDate(session.refreshEndsAt)}</>}.
          </p>
        </div>
        <div className="acts">
          <Button small onClick={() => void signOut()}>
            Sign out
          </Button>
        </div>
      </div>
      <div className="stack">
        {user.role === 'admin' && (
          <p className="small-only">
            <Link className="btn" to="/admin">
              Admin pages
            </Link>
          </p>
        )}
        <p className="small-only">
          <Link className="btn" to="/wallet">
            Wallet
          </Link>
        </p>
        <Panel title="Profile">
          <div className="in">
            <KeyValues
              rows={[
                ['Email', user.email],
                ['Role', capital(user.role)],
                ['Since', shortDate(user.created_at)],
                ['Id', <Id key="id" id={user.id} what="your user id" />],
                [
                  'Colours',
                  <Segments<Theme>
                    key="theme"
                    label="Colours of the console"
                    value={theme}
                    options={[
                      ['system', 'System'],
                      ['light', 'Light'],
                      ['dark', 'Dark'],
                    ]}
                    onChange={setTheme}
                  />,
                ],
              ]}
            />
          </div>
        </Panel>
        <ApiKeys />
        <Panel
          title="Webhooks"
          end={
            <Link className="btn small" to="/account/webhooks">
              To your webhooks
            </Link>
          }
        >
          <p className="in mute">A webhook sends your events to a server of yours, signed, as they happen.</p>
        </Panel>
        <Password />
        <Sessions />
        <Deletion />
      </div>
    </main>
  );
}

function Password() {
  const change = useMutation({
    mutationFn: (body: { current_password: string; new_password: string }) =>
      unwrap(api.POST('/api/v1/auth/password', { body })),
  });
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const target = event.currentTarget;
    const form = new FormData(target);
    const body = { current_password: String(form.get('current')), new_password: String(form.get('next')) };
    change.mutate(body, {
      onSuccess: () => {
        toast('The new password is in force. Other logins have ended.');
        target.reset();
      },
    });
  };
  return (
    <Panel title="Password" note="A new one ends every other login of yours. API keys stay.">
      <form className="in form" onSubmit={submit}>
        <div className="pair">
          <Field label="Current password" name="current" type="password" autoComplete="current-password" required />
          <Field
            label="New password"
            hint="10 characters or more"
            name="next"
            type="password"
            autoComplete="new-password"
            minLength={10}
            required
          />
        </div>
        {change.error && <ProblemPanel error={change.error} />}
        <div className="row">
          <Button type="submit" busy={change.isPending}>
            Change the password
          </Button>
        </div>
      </form>
    </Panel>
  );
}

function Sessions() {
  const leave = useMutation({
    mutationFn: () => unwrap(api.POST('/api/v1/auth/logout-all')),
    onSuccess: () => end('Every login of your account has ended.'),
  });
  return (
    <Panel title="Logins">
      <div className="in spread-row">
        <p className="mute">Ends every login of your account on every device, this one included. API keys stay.</p>
        <Button busy={leave.isPending} onClick={() => leave.mutate()}>
          Sign out everywhere
        </Button>
      </div>
      {leave.error && <ProblemPanel error={leave.error} />}
    </Panel>
  );
}

function Deletion() {
  const { email } = useUser();
  const [isAsking, setAsking] = useState(false);
  const [password, setPassword] = useState('');
  const remove = useMutation({
    mutationFn: () => unwrap(api.POST('/api/v1/auth/delete-account', { body: { password } })),
    onSuccess: () => end('Your account is deleted.'),
  });
  return (
    <Panel title="Delete the account">
      <div className="in spread-row">
        <p className="mute">
          Your agents are retired, and your tasks are cancelled and then deleted. This cannot be undone.
        </p>
        <Button look="danger" onClick={() => setAsking(true)}>
          Delete the account
        </Button>
      </div>
      {isAsking && (
        <Confirm
          title={`Delete the account ${email}?`}
          action={`Delete ${email}`}
          busy={remove.isPending}
          error={remove.error && <ProblemPanel error={remove.error} />}
          onConfirm={() => remove.mutate()}
          onClose={() => setAsking(false)}
        >
          <Field
            label="Your password"
            type="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Confirm>
      )}
    </Panel>
  );
}
