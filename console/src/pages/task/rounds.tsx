import { useMutation, useQuery } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { ApiProblem } from '../../api/problem';
import { api, type Schemas, unwrap } from '../../api/client';
import type { Task } from '../../api/queries';
import { isEnded } from '../../lib/events';
import { clock } from '../../lib/format';
import { Paid } from '../../plots/paid';
import { PriceLine } from '../../plots/price-line';
import { Scoreboard } from '../../plots/scoreboard';
import { Button, Empty, Loading, Segments, Tag } from '../../ui/basics';
import { Glyph } from '../../ui/glyph';
import { ProblemPanel } from '../../ui/problem';

export type Round = Schemas['AuctionRoundDto'];

const fetchAuction = (id: string, verify = false) =>
  unwrap(api.GET('/api/v1/tasks/{id}/auction', { params: { path: { id }, query: verify ? { verify } : {} } }));

/** Asks once there can be an answer: a task without an auction has none, and that is no fault. */
export const useAuction = (task: Task) =>
  useQuery({
    queryKey: ['auction', task.id],
    queryFn: () => fetchAuction(task.id),
    enabled: task.attempts.length > 0 || task.status === 'failed',
  });

interface RoundsProps {
  task: Task;
  auction: ReturnType<typeof useAuction>;
}

/** Each auction that was held for the task: who bid, what was scored, and what became of the winner. */
export function Rounds({ task, auction }: RoundsProps) {
  const rounds = auction.data?.rounds ?? [];
  const [chosen, setChosen] = useState<string>();
  const [bars, setBars] = useState<'stacked' | 'aligned'>('stacked');
  const replay = useMutation({ mutationFn: () => fetchAuction(task.id, true) });
  const round = rounds.find((it) => String(it.round) === chosen) ?? rounds.at(-1);
  const checked = replay.data?.rounds.find((it) => it.round === round?.round)?.verification;
  return (
    <section className="panel" id="auction" aria-labelledby="auction-title">
      <header>
        <h2 id="auction-title">Why these agents</h2>
        {round && (
          <span className="dim">
            Round {round.round} of {rounds.length}, decided {clock(round.decided_at, true)}
          </span>
        )}
        <div className="end">
          {rounds.length > 1 && round && (
            <Segments
              label="Round"
              value={String(round.round)}
              options={rounds.map((it) => [String(it.round), `Round ${it.round}`] as const)}
              onChange={setChosen}
            />
          )}
          {checked &&
            (checked.matches ? (
              <Tag tone="ok" glyph="check">
                Scored again: every figure matches
              </Tag>
            ) : (
              <Tag tone="bad" glyph="x">
                {checked.differences.length} figures do not follow
              </Tag>
            ))}
          {round && (
            <>
              <Segments
                label="Bars"
                value={bars}
                options={[
                  ['stacked', 'Stacked'],
                  ['aligned', 'Aligned'],
                ]}
                onChange={setBars}
              />
              <Button look="quiet" small glyph="retry" busy={replay.isPending} onClick={() => replay.mutate()}>
                Score again
              </Button>
            </>
          )}
        </div>
      </header>
      {replay.error && <ProblemPanel error={replay.error} />}
      {checked?.differences.map((line) => (
        <p key={line} className="note">
          {line}
        </p>
      ))}
      {auction.error && !isMissing(auction.error) ? (
        <ProblemPanel error={auction.error} />
      ) : auction.isLoading ? (
        <Loading lines={3} />
      ) : round ? (
        <RoundBoard round={round} task={task} aligned={bars === 'aligned'} />
      ) : (
        <Empty title={isEnded(task.status) ? 'No auction was held' : 'No auction yet'}>
          A worker holds it when it takes the task.
        </Empty>
      )}
    </section>
  );
}

/** A task may fail before any auction, for example at its deadline. */
const isMissing = (error: Error): boolean => error instanceof ApiProblem && error.status === 404;

function RoundBoard({ round, task, aligned }: { round: Round; task: Task; aligned: boolean }) {
  const marks: Record<string, ReactNode> = {};
  for (const { agent_id, error, outcome, ended_at } of task.attempts) {
    if (!ended_at) marks[agent_id] = <Mark kind="running">At work</Mark>;
    else if (error && outcome !== 'released')
      marks[agent_id] = (
        <Mark kind="failed">{round.bids[0]?.agent_id === agent_id ? 'Won, then failed' : 'Failed'}</Mark>
      );
    else if (task.status === 'completed' && task.agent_id === agent_id)
      marks[agent_id] = <Mark kind="completed">Did it</Mark>;
  }
  return (
    <>
      <Scoreboard
        bids={round.bids}
        excluded={round.excluded}
        excludedCount={round.excluded_count}
        weights={round.weights}
        explored={round.explored}
        marks={marks}
        doer={task.agent_id}
        aligned={aligned}
      />
      {round.bids.length > 0 && (
        <div className="pricebox">
          <h3>How close it was</h3>
          {round.bids.length > 1 && (
            <PriceLine bids={round.bids} counterfactual={round.counterfactual as never} budget={task.budget} />
          )}
          <p className="mute">{(round.counterfactual as Schemas['CounterfactualDto'] | null)?.detail}</p>
          <Paid
            bid={round.bids.find(({ agent_id }) => agent_id === task.agent_id) ?? round.bids[0]}
            payment={round.payment as Schemas['PaymentDto'] | null}
          />
        </div>
      )}
    </>
  );
}

function Mark({ kind, children }: { kind: 'running' | 'failed' | 'completed'; children: ReactNode }) {
  return (
    <span className={`mark ${kind}`}>
      <Glyph name={kind} />
      {children}
    </span>
  );
}
