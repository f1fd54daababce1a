import { type KeyboardEvent, type PointerEvent, useRef, useState } from 'react';
import { capital } from '../lib/format';
import { shift, TERMS, type Weights } from '../lib/scoring';

interface WeightsHeadProps {
  weights: Weights;
  onChange?: (weights: Weights, isDone: boolean) => void;
}

const whole = (share: number): number => Math.round(share * 100);

/** The head of the bars: the four weights, with marks between them that move by pointer and by arrow keys. */
export function WeightsHead({ weights, onChange }: WeightsHeadProps) {
  const box = useRef<HTMLDivElement>(null);
  const [dragged, setDragged] = useState<number>();
  const ends = TERMS.map((_, index) => TERMS.slice(0, index + 1).reduce((sum, term) => sum + weights[term], 0));

  const drag = (event: PointerEvent): void => {
    if (dragged === undefined || !box.current) return;
    const { left, width } = box.current.getBoundingClientRect();
    const from = dragged === 0 ? 0 : ends[dragged - 1];
    onChange?.(shift(weights, dragged, (event.clientX - left) / width - from), false);
  };
  const release = (): void => {
    if (dragged === undefined) return;
    setDragged(undefined);
    onChange?.(weights, true);
  };
  const press = (event: KeyboardEvent, boundary: number): void => {
    const step = { ArrowLeft: -0.01, ArrowDown: -0.01, ArrowRight: 0.01, ArrowUp: 0.01 }[event.key];
    if (!step) return;
    event.preventDefault();
    const share = weights[TERMS[boundary]] + step * (event.shiftKey ? 10 : 1);
    onChange?.(shift(weights, boundary, share), true);
  };

  return (
    <div
      ref={box}
      className={`wts${dragged === undefined ? '' : ' dragging'}`}
      role="columnheader"
      onPointerMove={drag}
      onPointerUp={release}
      onPointerCancel={release}
    >
      {TERMS.map((term) => (
        <div key={term} className={`w w-${term}`} style={{ width: `${weights[term] * 100}%` }} title={capital(term)}>
          <b>{whole(weights[term])} %</b>
          <span className="l">{capital(term)}</span>
          <span className="s" aria-hidden="true">
            {term === 'reputation' ? 'Reput.' : capital(term)}
          </span>
        </div>
      ))}
      {onChange &&
        TERMS.slice(0, -1).map((term, boundary) => (
          <button
            key={term}
            type="button"
            className="grip"
            style={{ left: `${ends[boundary] * 100}%` }}
            role="slider"
            aria-label={`Weight of ${term} against ${TERMS[boundary + 1]}`}
            aria-valuemin={0}
            aria-valuemax={whole(weights[term] + weights[TERMS[boundary + 1]])}
            aria-valuenow={whole(weights[term])}
            aria-valuetext={`${term} ${whole(weights[term])} %, ${TERMS[boundary + 1]} ${whole(weights[TERMS[boundary + 1]])} %`}
            onPointerDown={(event) => {
              event.currentTarget.setPointerCapture(event.pointerId);
              setDragged(boundary);
            }}
            onKeyDown={(event) => press(event, boundary)}
          />
        ))}
    </div>
  );
}
