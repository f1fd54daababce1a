import { useId } from 'react';
import { credits } from '../../lib/format';

export interface Ask {
  id: string;
  price: number;
}

interface BudgetFieldProps {
  budget: number;
  onChange: (budget: number) => void;
  /** What agents ask that could do the task. */
  asks: readonly Ask[];
  winner?: string;
  bidders: number;
}

/** The slider carries a mark for each ask, so one sees whom a credit more lets in. */
export function BudgetField({ budget, onChange, asks, winner, bidders }: BudgetFieldProps) {
  const id = useId();
  const highest = Math.max(0, ...asks.map(({ price }) => price));
  const max = Math.max(1, Math.ceil(highest * 1.25 * 10) / 10, Math.ceil(budget * 10) / 10);
  const step = max > 20 ? 0.1 : 0.01;
  const set = (text: string): void => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isFinite(value) && value >= 0) onChange(value);
  };
  return (
    <div className="field">
      <div className="lab middle">
        <label htmlFor={id}>Budget</label>
        <span className="money">
          <input
            className="input"
            key={budget}
            aria-label="Budget in credits"
            inputMode="decimal"
            defaultValue={credits(budget)}
            onBlur={(event) => set(event.target.value)}
            onKeyDown={(event) => event.key === 'Enter' && set(event.currentTarget.value)}
          />{' '}
          <span className="mute">credits</span>
        </span>
      </div>
      <div className="budget">
        <div className="ticks" aria-hidden="true">
          {asks.map((ask) => (
            <i
              key={ask.id}
              className={ask.price > budget ? '' : ask.id === winner ? 'won' : 'in'}
              style={{ left: `${(ask.price / max) * 100}%` }}
            />
          ))}
        </div>
        <input
          id={id}
          type="range"
          min="0"
          max={max}
          step={step}
          value={budget}
          aria-valuetext={`${credits(budget)} credits`}
          style={{ '--p': `${(budget / max) * 100}%` } as React.CSSProperties}
          onChange={(event) => onChange(Number(event.target.value))}
        />
      </div>
      {asks.length > 0 && (
        <div className="hint">
          {bidders} of {asks.length} {asks.length === 1 ? 'agent' : 'agents'} can bid. Each mark is what one of them
          asks.
        </div>
      )}
    </div>
  );
}
