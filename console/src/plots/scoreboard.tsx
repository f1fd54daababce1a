import { type ReactNode, useLayoutEffect, useRef } from 'react';
import type { Schemas } from '../api/client';
import { capital, count, credits } from '../lib/format';
import { type Bid, TERMS, type Weights } from '../lib/scoring';
import { Tag } from '../ui/basics';
import { WeightsHead } from './weights';

type Exclusion = Schemas['ExclusionDto'];

const REASONS: Record<Exclusion['reason'], string> = {
  over_budget: 'Over budget',
  rating_too_low: 'Rated too low',
  wrong_region: 'Wrong region',
  busy: 'Busy',
  no_seat: 'No seat',
  not_allowed: 'Needs your consent',
  owner_seats: 'Seats of its owner taken',
  input_misfit: 'Input does not fit',
};

interface ScoreboardProps {
  /** Best first. */
  bids: readonly Bid[];
  excluded: readonly Exclusion[];
  excludedCount: number;
  weights: Weights;
  /** Makes the weights draggable. @param isDone whether the reader has let go */
  onWeights?: (weights: Weights, isDone: boolean) => void;
  /** Each term begins under its own weight, to compare term by term. */
  aligned?: boolean;
  /** The agent that did the work, or would do it; the winner if unset. */
  doer?: string | null;
  /** What stands below an agent's name instead of its version. */
  marks?: Record<string, ReactNode>;
  /** Whether the discovery seat had the award whatever its score. */
  explored?: boolean;
  /** Figures of an answer that is about to be replaced. */
  stale?: boolean;
}

/**
 * The bids of an auction as stacked bars, after LineUp (Gratzl et al. 2013). The whole column is a score of 1, and its
 * head is the perfect bid: four stretches as wide as their weights.
 */
export function Scoreboard(props: ScoreboardProps) {
  const { bids, excluded, excludedCount, weights, aligned, stale } = props;
  const table = useRef<HTMLDivElement>(null);
  useRankMoves(table, bids);
  const best = bids[0]?.total ?? 0;
  const doer = props.doer === undefined ? bids[0]?.agent_id : props.doer;
  return (
    <div
      ref={table}
      className={`board${aligned ? ' aligned' : ''}${stale ? ' stale' : ''}`}
      role="table"
      aria-label="Bids, best first"
    >
      <div className="r h" role="row">
        <span role="columnheader">
          <span className="sr">Rank</span>
        </span>
        <span role="columnheader">Agent</span>
        <WeightsHead weights={weights} onChange={props.onWeights} />
        {['Score', 'Behind', 'Price', 'Rating', 'Est. ms', 'Done'].map((name) => (
          <span key={name} className="num" role="columnheader">
            {name}
          </span>
        ))}
      </div>
      {bids.map((bid) => (
        <BidRow key={bid.agent_id} bid={bid} best={best} did={bid.agent_id === doer} {...props} />
      ))}
      {excluded.length > 0 && (
        <>
          <div className="div">
            {count(excludedCount)} did not get to bid
            {excludedCount > excluded.length && `; the first ${excluded.length} are shown`}
          </div>
          {excluded.map(({ agent_id, agent_name, reason, detail }) => (
            <div key={agent_id} className="r out" role="row">
              <span className="rank" role="cell">
                –
              </span>
              <div className="name" role="cell">
                <b className="cut block">{agent_name}</b>
              </div>
              <div className="why" role="cell">
                <Tag>{REASONS[reason]}</Tag>
                <span className="cut" title={detail}>
                  {detail}
                </span>
              </div>
            </div>
          ))}
        </>
      )}
    </div>
  );
}

function BidRow({
  bid,
  best,
  did,
  weights,
  aligned,
  marks,
  explored,
}: ScoreboardProps & { bid: Bid; best: number; did: boolean }) {
  const { rank, agent_id, agent_name, weighted, total } = bid;
  const said = TERMS.map((term) => `${term} ${weighted[term].toFixed(3)}`).join(', ');
  const notes = [
    bid.version,
    bid.capability_match < 1 && `offers ${Math.round(bid.capability_match * 100)} %`,
    bid.discovery && (explored ? 'new: tried first' : 'on the discovery seat'),
  ];
  return (
    <div className={`r${rank === 1 ? ' win' : ''}${did ? ' did' : ''}`} role="row" data-agent={agent_id}>
      <span className="rank" role="cell">
        {rank}
      </span>
      <div className="name" role="cell">
        <b className="cut block" title={agent_name}>
          {agent_name}
        </b>
        <small className="cut">{marks?.[agent_id] ?? notes.filter(Boolean).join(' · ')}</small>
      </div>
      <div className="track" role="cell" aria-label={said}>
        <div className="bar">
          {TERMS.map((term) => {
            const share = aligned ? (weights[term] ? weighted[term] / weights[term] : 0) : weighted[term];
            return (
              <span key={term} style={aligned ? { width: `${weights[term] * 100}%` } : undefined}>
                <i
                  className={term}
                  style={{ width: `${share * 100}%` }}
                  title={`${capital(term)} ${weighted[term].toFixed(4)} of ${weights[term].toFixed(2)}`}
                />
              </span>
            );
          })}
        </div>
        {!aligned && <div className="beat" style={{ left: `${best * 100}%` }} />}
      </div>
      <span className="total num" role="cell">
        {total.toFixed(4)}
      </span>
      <span className="c num dim" role="cell">
        {rank > 1 ? behind(best - total) : <span className="sr">none</span>}
      </span>
      <span className="c p num" role="cell">
        {credits(bid.price)}
      </span>
      <span className="c num" role="cell">
        {bid.rating.toFixed(2)}
      </span>
      <span className="c num" role="cell">
        {count(bid.estimated_ms)}
      </span>
      <span className="c num" role="cell">
        {count(bid.tasks_completed)}
      </span>
      <span className="c asks" aria-hidden="true">
        {credits(bid.price)} credits · rated {bid.rating.toFixed(2)} · {count(bid.estimated_ms)} ms
      </span>
    </div>
  );
}

const behind = (gap: number): string => `${gap > 0.00005 ? '−' : gap < -0.00005 ? '+' : ''}${Math.abs(gap).toFixed(4)}`;

/** Rows that change their rank slide to the new place. */
function useRankMoves(table: React.RefObject<HTMLDivElement | null>, bids: readonly Bid[]): void {
  const places = useRef(new Map<string, number>());
  const order = bids.map(({ agent_id }) => agent_id).join();
  useLayoutEffect(() => {
    const rows = table.current?.querySelectorAll<HTMLElement>('[data-agent]') ?? [];
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const next = new Map<string, number>();
    for (const row of rows) {
      const id = row.dataset.agent!;
      next.set(id, row.offsetTop);
      const moved = (places.current.get(id) ?? row.offsetTop) - row.offsetTop;
      if (moved !== 0 && !still)
        row.animate([{ transform: `translateY(${moved}px)` }, { transform: 'none' }], {
          duration: 220,
          easing: 'cubic-bezier(.2,0,0,1)',
        });
    }
    places.current = next;
  }, [table, order]);
}
