import { useState } from 'react';
import type { Schemas } from '../../api/client';
import { credits, duration } from '../../lib/format';
import { type Bid, leadingTerm, reweigh, type Weights } from '../../lib/scoring';
import { Paid } from '../../plots/paid';
import { PriceLine } from '../../plots/price-line';
import { Scoreboard } from '../../plots/scoreboard';
import { Button, Empty, Loading, Segments } from '../../ui/basics';
import { ProblemPanel } from '../../ui/problem';
import type { Simulation } from './simulate';

interface AuctionPanelProps {
  simulation: Simulation | undefined;
  error: unknown;
  isStale: boolean;
  budget: number;
  /** The budget that would let the cheapest agent in. */
  sufficient: number | undefined;
  onBudget: (budget: number) => void;
  weights: Weights | undefined;
  /** @param weights undefined: those of the server */
  onWeights: (weights: Weights | undefined) => void;
}

/** Who would win and why, before anything is paid or written. */
export function AuctionPanel(props: AuctionPanelProps) {
  const { simulation, error, isStale, budget, weights, onWeights } = props;
  const [bars, setBars] = useState<'stacked' | 'aligned'>('stacked');
  const [dragged, setDragged] = useState<Weights>();
  const shown = dragged ?? weights ?? simulation?.weights;
  const bids = simulation && shown ? reweigh(simulation.bids, shown, simulation.explored) : [];
  return (
    <section className="panel" aria-labelledby="simulated">
      <header>
        <h2 id="simulated">Simulated auction</h2>
        <span className="livedot">Live, nothing is written</span>
        <div className="end">
          <span className="hint big-only">Drag the marks between the weights</span>
          <Button look="quiet" small disabled={!weights} onClick={() => onWeights(undefined)}>
            Reset weights
          </Button>
        </div>
      </header>
      {error ? (
        <ProblemPanel error={error} />
      ) : !simulation || !shown ? (
        <Loading lines={5} />
      ) : (
        <>
          <div className="ans">
            <Answer {...props} simulation={simulation} bids={bids} />
            {bids.length > 0 && (
              <Segments
                label="Bars"
                value={bars}
                options={[
                  ['stacked', 'Stacked'],
                  ['aligned', 'Aligned'],
                ]}
                onChange={setBars}
              />
            )}
          </div>
          {bids.length + simulation.excluded.length > 0 ? (
            <Scoreboard
              bids={bids}
              excluded={simulation.excluded}
              excludedCount={simulation.excluded_count}
              weights={shown}
              onWeights={(next, isDone) => {
                setDragged(isDone ? undefined : next);
                if (isDone) onWeights(next);
              }}
              aligned={bars === 'aligned'}
              explored={simulation.explored}
              stale={isStale && !dragged}
            />
          ) : (
            <Empty title="No agent of the market offers this">Remove a capability, or add another.</Empty>
          )}
          {bids.length > 1 && !dragged && (
            <div className="pricebox">
              <h3>What would change the winner</h3>
              <PriceLine bids={bids} counterfactual={simulation.counterfactual} budget={budget} />
              <p className="mute">{simulation.counterfactual?.detail}</p>
              {!weights && (
                <Paid bid={simulation.bids[0]} payment={simulation.payment as Schemas['PaymentDto'] | null} />
              )}
            </div>
          )}
        </>
      )}
    </section>
  );
}

function Answer({
  simulation,
  bids,
  sufficient,
  onBudget,
}: AuctionPanelProps & { simulation: Simulation; bids: ReturnType<typeof reweigh> }) {
  const [winner, runnerUp] = bids;
  if (!winner || simulation.failure)
    return (
      <div>
        <div className="bigans">No agent would win</div>
        <p className="mute">{simulation.failure?.message}</p>
        {sufficient !== undefined && (
          <Button small onClick={() => onBudget(sufficient)}>
            Raise the budget to {credits(sufficient)}
          </Button>
        )}
      </div>
    );
  const about = `About ${duration(winner.estimated_ms)}.`;
  return (
    <div aria-live="polite">
      <div className="bigans">
        {winner.agent_name} would win at {credits(winner.price)}
      </div>
      <p className="mute">
        {runnerUp ? lead(winner, runnerUp) : 'The only bid.'} {about}
        {simulation.explored && ' It is tried first because it is new.'}
      </p>
    </div>
  );
}

/** How far the first is from the second, and by what. */
function lead(winner: Bid, runnerUp: Bid): string {
  const gap = winner.total - runnerUp.total;
  if (Math.abs(gap) < 0.00005)
    return `Level with ${runnerUp.agent_name}: the lower price decides, then the better rating.`;
  const words = `${Math.abs(gap).toFixed(4)} ${gap < 0 ? 'behind' : 'ahead of'} ${runnerUp.agent_name}`;
  return gap < 0 ? `${words}.` : `${words}, most of it by ${leadingTerm(winner, runnerUp)}.`;
}
