import { type FormEvent, type ReactNode, useState } from 'react';
import { ApiProblem } from '../api/problem';
import { register, signIn } from '../api/session';
import { Scoreboard } from '../plots/scoreboard';
import { DEFAULT_WEIGHTS, reweigh, type Weights } from '../lib/scoring';
import { Button, Field } from '../ui/basics';
import { Logo } from '../ui/glyph';
import { ProblemPanel } from '../ui/problem';

type Door = 'sign-in' | 'register' | 'forgot' | 'reset';

const doorAt = (path: string): Door =>
  (({ '/register': 'register', '/forgot': 'forgot', '/reset': 'reset' }) as const)[path] ?? 'sign-in';

/** What this is, and the way in. */
export function Gate({ reason }: { reason?: string }) {
  const [door, setDoor] = useState(() => doorAt(location.pathname));
  const go = (next: Door) => () => setDoor(next);
  return (
    <main className="gate">
      <section className="say" aria-label="What this is">
        <div className="brand large">
          <Logo />
          ZeroState
        </div>
        <div className="mid">
          <h1>Agents bid for your task. The best bid runs, and you can see why.</h1>
          <p className="lead">
            Owners upload agents as WebAssembly. You name a budget. Price, quality, speed and reputation decide, a
            sandbox does the work, and the next in line takes over if it fails.
          </p>
          <Demo />
        </div>
      </section>
      <section className="door" aria-labelledby="door">
        {reason && door === 'sign-in' && <p className="note mute">{reason}</p>}
        {door === 'sign-in' && <SignIn onRegister={go('register')} onForgot={go('forgot')} />}
        {door === 'register' && <Register onSignIn={go('sign-in')} />}
        {door === 'forgot' && <Forgot onSignIn={go('sign-in')} />}
        {door === 'reset' && <Reset onSignIn={go('sign-in')} />}
      </section>
    </main>
  );
}

const DEMO = [
  ['Text Summary Lite', '1.0.3', 0.1, 3.62, 85, 960],
  ['Keyword Summary', '1.4.2', 0.3, 4.38, 380, 2210],
  ['Text Summary', '2.1.0', 0.42, 4.71, 610, 1840],
] as const;

/** An example, and labelled as one. Its weights can be dragged like those of a real auction. */
function Demo() {
  const [weights, setWeights] = useState<Weights>(DEFAULT_WEIGHTS);
  const bids = DEMO.map(([agent_name, version, price, rating, estimated_ms, tasks_completed], index) => ({
    ...{ rank: index, agent_id: agent_name, agent_name, version, price, rating, estimated_ms, tasks_completed },
    ...{ capability_match: 1, discovery: false, total: 0, weighted: DEFAULT_WEIGHTS },
    terms: {
      price: 1 - (price - 0.1) / 0.32,
      quality: rating / 5,
      speed: 1 - (estimated_ms - 85) / 525,
      reputation: tasks_completed / 2210,
    },
  }));
  return (
    <figure className="demo panel">
      <header>
        <h2>Summarise a page</h2>
        <span className="dim">An example auction: drag the weights</span>
      </header>
      <Scoreboard
        bids={reweigh(bids, weights, false)}
        excluded={[]}
        excludedCount={0}
        weights={weights}
        onWeights={setWeights}
      />
    </figure>
  );
}

interface AccountFormProps {
  title: string;
  action: string;
  autoComplete: 'current-password' | 'new-password';
  send: (email: string, password: string) => Promise<void>;
  hint?: string;
  children: ReactNode;
}

function AccountForm({ title, action, autoComplete, send, hint, children }: AccountFormProps) {
  const { isBusy, error, submit } = useForm(async (form) => send(form.get('email')!, form.get('password')!));
  const fields = error instanceof ApiProblem ? error.errors : [];
  const errorOf = (name: string) => fields.find(({ field }) => field === name)?.message;
  return (
    <form onSubmit={submit}>
      <div>
        <h1 id="door">{title}</h1>
        <p className="mute">{location.host}</p>
      </div>
      <Field
        label="Email"
        name="email"
        type="email"
        autoComplete="username"
        required
        autoFocus
        error={errorOf('email')}
      />
      <Field
        label="Password"
        hint={hint}
        name="password"
        type="password"
        autoComplete={autoComplete}
        required
        error={errorOf('password')}
      />
      {Boolean(error) && fields.length === 0 && <ProblemPanel error={error} />}
      <Button type="submit" look="primary" busy={isBusy}>
        {action}
      </Button>
      {children}
    </form>
  );
}

function SignIn({ onRegister, onForgot }: { onRegister: () => void; onForgot: () => void }) {
  return (
    <>
      <AccountForm title="Sign in" action="Sign in" autoComplete="current-password" send={signIn}>
        <p className="mute">
          New here?{' '}
          <button type="button" className="aslink" onClick={onRegister}>
            Open an account
          </button>{' '}
          ·{' '}
          <button type="button" className="aslink" onClick={onForgot}>
            Forgot the password?
          </button>
        </p>
      </AccountForm>
      <div className="first">
        <h2 className="h3">First start of this server?</h2>
        <p className="mute">
          The terminal in which it runs printed the admin’s email and password. To make another admin:
        </p>
        <code className="mono block" tabIndex={0}>
          npm run admin:create -- --email you@example.org
        </code>
      </div>
    </>
  );
}

function Register({ onSignIn }: { onSignIn: () => void }) {
  return (
    <AccountForm
      title="Open an account"
      action="Open the account"
      autoComplete="new-password"
      hint="10 characters or more"
      send={register}
    >
      <p className="mute">
        Have one already?{' '}
        <button type="button" className="aslink" onClick={onSignIn}>
          Sign in
        </button>
      </p>
    </AccountForm>
  );
}

function Forgot({ onSignIn }: { onSignIn: () => void }) {
  const [isSent, setSent] = useState(false);
  const { isBusy, error, submit } = useForm(async (form) => {
    await post('/api/v1/auth/password/forgot', { email: form.get('email') });
    setSent(true);
  });
  return (
    <form onSubmit={submit}>
      <h1 id="door">Forgot the password?</h1>
      {isSent ? (
        <p role="status">
          If there is an account with this email and this server sends mail, a link is on its way. Otherwise ask an
          administrator for one.
        </p>
      ) : (
        <>
          <Field label="Email" name="email" type="email" autoComplete="username" required autoFocus />
          {Boolean(error) && <ProblemPanel error={error} />}
          <Button type="submit" look="primary" busy={isBusy}>
            Send a link
          </Button>
        </>
      )}
      <p>
        <button type="button" className="aslink" onClick={onSignIn}>
          Back to sign-in
        </button>
      </p>
    </form>
  );
}

/** The page of a reset link: the token is in the fragment, which browsers do not send to servers. */
function Reset({ onSignIn }: { onSignIn: () => void }) {
  const [isDone, setDone] = useState(false);
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
  const { isBusy, error, submit } = useForm(async (form) => {
    await post('/api/v1/auth/password/reset', { token, new_password: form.get('password') });
    history.replaceState(null, '', '/');
    setDone(true);
  });
  return (
    <form onSubmit={submit}>
      <h1 id="door">Choose a new password</h1>
      {isDone ? (
        <p role="status">The new password is in force. Every login of the account has ended.</p>
      ) : (
        <>
          <Field
            label="New password"
            hint="10 characters or more"
            name="password"
            type="password"
            autoComplete="new-password"
            required
            autoFocus
          />
          {Boolean(error) && <ProblemPanel error={error} />}
          <Button type="submit" look="primary" busy={isBusy}>
            Change the password
          </Button>
        </>
      )}
      <p>
        <button type="button" className="aslink" onClick={onSignIn}>
          To sign-in
        </button>
      </p>
    </form>
  );
}

/** Sends a form; what was typed stays when that fails. */
function useForm(send: (form: Map<string, string>) => Promise<void>) {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = new Map([...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value)]));
    setBusy(true);
    setError(undefined);
    send(form)
      .catch(setError)
      .finally(() => setBusy(false));
  };
  return { isBusy, error, submit };
}

async function post(path: string, body: object): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) }).catch(() => {
    throw ApiProblem.unreachable();
  });
  if (!response.ok) throw await ApiProblem.of(response);
}
