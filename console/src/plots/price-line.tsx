import { useLayoutEffect, useRef, useState } from 'react';
import type { Schemas } from '../api/client';
import { credits } from '../lib/format';
import type { Bid } from '../lib/scoring';

interface PriceLineProps {
  bids: readonly Bid[];
  counterfactual: Schemas['CounterfactualDto'] | null;
  budget: number;
}

/** All asks on a line from nothing to the budget; an arrow shows how far the runner-up would have to come down. */
export function PriceLine({ bids, counterfactual, budget }: PriceLineProps) {
  const [box, width] = useWidth();
  const [winner, runnerUp] = bids;
  if (!winner || !runnerUp) return null;
  const x = (price: number): number => 8 + (price / Math.max(budget, 1e-6)) * (width - 16);
  const at = counterfactual?.agent_id === runnerUp.agent_id ? counterfactual.wins_at_price : undefined;
  const label = `${winner.agent_name} asks ${credits(winner.price)}, ${runnerUp.agent_name} ${credits(runnerUp.price)}`;
  const wins = at === null ? ' and wins at no price' : at === undefined ? '' : ` and would win at ${credits(at, 4)}`;
  return (
    <div ref={box}>
      <svg className="pl" viewBox={`0 0 ${width} 60`} role="img" aria-label={label + wins}>
        <path d={`M8 34H${width - 8}`} stroke="var(--line-2)" />
        <path d={`M8 29v10M${width - 8} 29v10`} stroke="var(--control)" />
        <text x="8" y="56">
          0
        </text>
        <text x={width - 8} y="56" textAnchor="end">
          {credits(budget)} budget
        </text>
        {typeof at === 'number' && at < runnerUp.price && (
          <>
            {x(runnerUp.price) - x(at) > 14 && (
              <path
                d={`M${x(runnerUp.price) - 6} 34H${x(at) + 1}m5-4-5 4 5 4`}
                fill="none"
                stroke="var(--text)"
                strokeWidth="1.5"
              />
            )}
            <path d={`M${x(at)} 26v16`} stroke="var(--text)" />
            <text className="on" x={x(at) + (x(at) < 110 ? 2 : -4)} y="56" textAnchor={x(at) < 110 ? 'start' : 'end'}>
              {credits(at, 4)} wins
            </text>
          </>
        )}
        {bids.map((bid, rank) => (
          <circle
            key={bid.agent_id}
            cx={x(bid.price)}
            cy="34"
            r={rank < 2 ? 5 : 3.5}
            fill={rank ? 'var(--surface)' : 'var(--text)'}
            stroke={rank < 2 ? 'var(--text)' : 'var(--control)'}
            strokeWidth="1.5"
          >
            <title>{`${bid.agent_name} asks ${credits(bid.price)}`}</title>
          </circle>
        ))}
        {placed(winner, runnerUp, x, width).map(({ bid, text, start }) => (
          <text key={bid.agent_id} className={bid === winner ? 'on' : ''} x={start} y="20">
            {text}
          </text>
        ))}
      </svg>
    </div>
  );
}

/** Width of a character at 12 px, on average and rounded up. */
const CHARACTER = 6.6;
const GAP = 14;

/** Two names above the line, each over its ask: moved apart where they would touch, and never beyond its ends. */
function placed(winner: Bid, runnerUp: Bid, x: (price: number) => number, width: number) {
  const label = (bid: Bid) => {
    const text = width >= 520 ? `${bid.agent_name} asks ${credits(bid.price)}` : credits(bid.price);
    const wide = text.length * CHARACTER;
    return { bid, text, wide, start: Math.min(width - 8 - wide, Math.max(8, x(bid.price) - wide / 2)) };
  };
  const [left, right] = [label(winner), label(runnerUp)].sort((a, b) => a.bid.price - b.bid.price);
  const overlap = left.start + left.wide + GAP - right.start;
  if (overlap > 0) {
    left.start = Math.max(8, left.start - overlap / 2);
    right.start = left.start + left.wide + GAP;
    const beyond = right.start + right.wide - (width - 8);
    if (beyond > 0) {
      left.start -= beyond;
      right.start -= beyond;
    }
  }
  return [left, right];
}

/** @returns a ref for an element, and its width; plots are drawn in its own pixels */
export function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(860);
  useLayoutEffect(() => {
    if (!ref.current) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.max(240, entry.contentRect.width)));
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}
