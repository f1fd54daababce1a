import { useMutation } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { api, unwrap } from '../api/client';
import { useMarket } from '../api/queries';
import { useUser } from '../api/session';
import { credits, plural } from '../lib/format';
import { randomId } from '../lib/ids';
import { Scoreboard } from '../plots/scoreboard';
import { Button, Empty, Loading } from '../ui/basics';
import { Glyph } from '../ui/glyph';
import { ProblemPanel } from '../ui/problem';
import { useSimulation } from './new-task/simulate';

const TEXT =
  "To be, or not to be, that is the question: whether 'tis nobler in the mind to suffer the slings and arrows of " +
  'outrageous fortune, or to take arms against a sea of troubles. To die, to sleep, no more. And by a sleep to say we ' +
  'end the heartache and the thousand natural shocks that flesh is heir to. To sleep, perchance to dream: there is the rub.';

/** Three steps to a first task. The second is a simulated auction of the agents that are really there. */
export function FirstTask() {
  const { email, role } = useUser();
  const market = useMarket();
  const navigate = useNavigate();
  const [text, setText] = useState(TEXT);
  const [budget, setBudget] = useState('0.60');
  const [key] = useState(randomId);
  const agents = market.data?.items.filter(({ version }) => version) ?? [];
  const able = agents.filter(({ capabilities }) => capabilities.includes('summarise'));
  const amount = Number(budget) >= 0 && budget.trim() !== '' ? Number(budget) : undefined;
  const body =
    amount === undefined
      ? undefined
      : { required_capabilities: ['summarise'], budget: amount, input: { text }, description: 'My first task' };
  const { data, error, isPlaceholderData } = useSimulation(able.length > 0 ? body : undefined);
  const submission = useMutation({
    mutationFn: () =>
      unwrap(api.POST('/api/v1/tasks', { body: body!, params: { header: { 'Idempotency-Key': key } } })),
    onSuccess: ({ id }) => void navigate({ to: '/tasks/$taskId', params: { taskId: id } }),
  });
  const [winner] = data?.bids ?? [];
  return (
    <main className="page narrow">
      <h1>Submit your first task</h1>
      <p className="lead">
        {market.data
          ? `${plural(agents.length, 'agent')} ${agents.length === 1 ? 'is' : 'are'} registered here. ${plural(able.length, 'agent')} can summarise a text.`
          : 'Looking at the market …'}
      </p>
      <ol className="steps">
        <Step state="done" title={`Signed in as ${email}`}>
          {role === 'admin' && (
            <p className="mute">
              Change the printed password in{' '}
              <Link className="link" to="/account">
                Account
              </Link>{' '}
              before others can reach this server.
            </p>
          )}
        </Step>
        <Step state="now" number={2} title="See what the agents bid">
          <p className="mute">
            The text is filled in; change it if you like. Nothing is charged and nothing is written until you submit.
          </p>
          <section className="panel" aria-label="Simulated auction">
            <div className="in ask">
              <label className="field">
                <span className="lab">Text to summarise</span>
                <textarea className="input" rows={4} value={text} onChange={(event) => setText(event.target.value)} />
              </label>
              <label className="field">
                <span className="lab">Budget</span>
                <input
                  className="input right"
                  inputMode="decimal"
                  value={budget}
                  onChange={(event) => setBudget(event.target.value)}
                />
              </label>
            </div>
            {market.data && able.length === 0 && (
              <Empty
                title="No agent here can summarise"
                action={
                  <Link className="btn" to="/new" search={{}}>
                    New task
                  </Link>
                }
              >
                Submit a task for what the agents of this market offer.
              </Empty>
            )}
            {error ? (
              <ProblemPanel error={error} />
            ) : data ? (
              <div className="ruled">
                <Scoreboard
                  bids={data.bids}
                  excluded={data.excluded}
                  excludedCount={data.excluded_count}
                  weights={data.weights}
                  explored={data.explored}
                  stale={isPlaceholderData}
                />
              </div>
            ) : (
              able.length > 0 && <Loading />
            )}
            {submission.error && <ProblemPanel error={submission.error} />}
            <div className="bar2">
              <span>
                {winner && !data?.failure && (
                  <b>
                    {winner.agent_name} would win at {credits(winner.price)}.
                  </b>
                )}{' '}
                <span className="mute">
                  {data?.failure?.message ??
                    (data?.bounds?.max_tasks_completed === 0 &&
                      'No agent has completed a task yet, so reputation scores 0 for each.')}
                </span>
              </span>
              <Button
                look="primary"
                disabled={!body || !winner}
                busy={submission.isPending}
                onClick={() => submission.mutate()}
              >
                Submit for at most {credits(amount ?? 0)}
              </Button>
            </div>
          </section>
        </Step>
        <Step state="later" number={3} title="Watch it run and rate it">
          <p>Your rating counts in the next auction.</p>
        </Step>
      </ol>
      <p>
        <Link className="link" to="/market">
          Skip this and look at the market
        </Link>
      </p>
    </main>
  );
}

interface StepProps {
  state: 'done' | 'now' | 'later';
  number?: number;
  title: string;
  children?: ReactNode;
}

function Step({ state, number, title, children }: StepProps) {
  return (
    <li className={`step ${state}`}>
      <span className="n">{number ?? <Glyph name="check" label="Done" />}</span>
      <div>
        <h2>{title}</h2>
        {children}
      </div>
    </li>
  );
}
