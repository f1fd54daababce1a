import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { type Task, taskOptions, useAgentNames } from '../api/queries';
import { isEnded } from '../lib/events';
import { credits, duration, milliseconds } from '../lib/format';
import { stepsOf } from '../lib/timeline';
import { Waterfall } from '../plots/waterfall';
import { Facts, Id, Loading, Segments, State, Time, useNow } from '../ui/basics';
import { ProblemPanel } from '../ui/problem';
import { Actions } from './task/actions';
import { DisputePanel } from './task/dispute';
import { Details } from './task/details';
import { Documents } from './task/documents';
import { HostCallsPanel, OutputPanel } from './task/host-calls';
import { Lead } from './task/lead';
import { Question } from './task/question';
import { LogPanel } from './task/log-panel';
import { SubTasksPanel } from './task/sub-tasks';
import { Rounds, useAuction } from './task/rounds';
import { useTaskHistory } from './task/task-events';

const route = getRouteApi('/tasks/$taskId');

export function TaskPage() {
  const { taskId } = route.useParams();
  const task = useQuery(taskOptions(taskId));
  if (task.error)
    return (
      <main className="page">
        <ProblemPanel error={task.error} action={<Link to="/tasks">To my tasks</Link>} />
      </main>
    );
  if (!task.data || task.data.id !== taskId)
    return (
      <main className="page">
        <Loading lines={5} />
      </main>
    );
  return <Loaded key={taskId} task={task.data} />;
}

/** Refreshed so often while a task is under way, ms: live figures change four times a second. */
const TICK_MS = 250;

function Loaded({ task }: { task: Task }) {
  const auction = useAuction(task);
  const history = useTaskHistory(task.id);
  const isLive = !isEnded(task.status);
  const now = useNow(isLive ? TICK_MS : 0);
  const nameOf = useNames(auction.data?.rounds ?? []);
  const begun = Date.parse(task.created_at);
  const title = task.description || task.required_capabilities.join(', ') || 'Task';
  useEffect(() => {
    document.title = `${title} · ZeroState`;
    return () => void (document.title = 'ZeroState');
  }, [title]);

  const failed = task.attempts.filter(({ error, outcome }) => error && outcome !== 'released').length;
  const ended = task.completed_at ? Date.parse(task.completed_at) - begun : undefined;
  const waited = task.attempts[0] ? Date.parse(task.attempts[0].started_at) - begun : undefined;
  return (
    <main className="page">
      <div className="pagehead tight">
        <div>
          <nav className="crumb" aria-label="Where this is">
            <Link to="/tasks">My tasks</Link>
            <span>/</span>
            {task.parent_id && (
              <>
                <Link to="/tasks/$taskId" params={{ taskId: task.parent_id }}>
                  Task above
                </Link>
                <span>/</span>
              </>
            )}
            <Id id={task.id} what="the task’s id" />
          </nav>
          <div className="title">
            <h1>{title}</h1>
            <State status={task.status} pill />
          </div>
          <p className="lead" aria-live="polite">
            <Lead task={task} nameOf={nameOf} now={now} />
          </p>
        </div>
        <Actions task={task} />
      </div>
      <div className="summary">
        <Facts
          facts={[
            task.agent_id
              ? [
                  task.status === 'completed' ? 'Done by' : 'Agent',
                  <span key="agent">
                    <Link to="/market/$agentId" params={{ agentId: task.agent_id }}>
                      {nameOf(task.agent_id)}
                    </Link>{' '}
                    <span className="dim">{task.version}</span>
                  </span>,
                ]
              : null,
            [
              'Cost',
              <span key="cost">
                {task.cost === null ? '–' : credits(task.cost)} <span className="dim">of {credits(task.budget)}</span>
              </span>,
            ],
            ['Took', duration(ended ?? Math.max(0, now - begun))],
            [
              'Attempts',
              <span key="attempts">
                {task.attempts.length} {failed > 0 && <span className="dim">· {failed} failed</span>}
              </span>,
            ],
            ['Submitted', <Time key="at" at={task.created_at} ms />],
            ['Waited', duration(Math.max(0, waited ?? ended ?? now - begun))],
          ]}
        />
      </div>
      {task.question && (
        <Question key={task.question.id} taskId={task.id} question={task.question} from={nameOf(task.agent_id)} />
      )}
      <div className="two">
        <div className="stack">
          <WhatHappened task={task} auction={auction} history={history} now={now - begun} took={ended} />
          <Rounds task={task} auction={auction} />
        </div>
        <div className="stack">
          <OutputPanel events={history.events} />
          <Documents task={task} />
          <DisputePanel task={task} />
          <Details task={task} events={history.events} nameOf={nameOf} />
        </div>
      </div>
      <SubTasksPanel task={task} />
      <HostCallsPanel events={history.events} />
      <LogPanel history={history} begun={task.created_at} />
    </main>
  );
}

interface WhatHappenedProps {
  task: Task;
  auction: ReturnType<typeof useAuction>;
  history: ReturnType<typeof useTaskHistory>;
  now: number;
  took: number | undefined;
}

function WhatHappened({ task, auction, history, now, took }: WhatHappenedProps) {
  const [scale, setScale] = useState<'linear' | 'log'>('linear');
  const steps = stepsOf(task, auction.data?.rounds ?? [], history.events, Math.max(0, now));
  return (
    <section className="panel" id="time" aria-labelledby="time-title">
      <header>
        <h2 id="time-title">What happened</h2>
        <span className="dim">
          {took === undefined ? `${duration(Math.max(0, now))} so far` : `${milliseconds(took)} from submission to end`}
        </span>
        <div className="end">
          <Segments
            label="Scale"
            value={scale}
            options={[
              ['linear', 'Linear'],
              ['log', 'Log'],
            ]}
            onChange={setScale}
          />
        </div>
      </header>
      {steps.length > 0 ? <Waterfall steps={steps} scale={scale} /> : <Loading lines={3} />}
    </section>
  );
}

/** Names as the auctions knew them; an agent that has left the market still has one there. */
function useNames(rounds: readonly { bids: readonly { agent_id: string; agent_name: string }[] }[]) {
  const market = useAgentNames();
  const known = new Map(rounds.flatMap(({ bids }) => bids.map((bid) => [bid.agent_id, bid.agent_name] as const)));
  return (id: string | null): string => (id && (known.get(id) ?? market(id))) || 'An agent';
}
