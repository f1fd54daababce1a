import type { Card } from '../../api/queries';
import { credits, plural } from '../../lib/format';

const [LEFT, RIGHT, TOP, BOTTOM] = [24, 280, 12, 312];

/** Agents that no other beats on both price and rating, joined by a line. */
export function PriceAndRating({ cards }: { cards: readonly Card[] }) {
  const points = cards.map(({ id, name, price, statistics }) => ({ id, name, price, rating: statistics.rating }));
  const best = points
    .filter(
      (a) =>
        !points.some(
          (b) =>
            b.id !== a.id && b.price <= a.price && b.rating >= a.rating && (b.price < a.price || b.rating > a.rating),
        ),
    )
    .sort((a, b) => a.price - b.price);
  const maxPrice = niceCeiling(Math.max(...points.map(({ price }) => price), 0.01));
  const minRating = Math.max(0, Math.floor((Math.min(...points.map(({ rating }) => rating)) - 0.2) * 2) / 2);
  const x = (price: number): number => LEFT + (price / maxPrice) * (RIGHT - LEFT);
  const y = (rating: number): number => BOTTOM - ((rating - minRating) / (5 - minRating)) * (BOTTOM - TOP);
  const step = 5 - minRating > 2 ? 1 : 0.5;
  const ratings = Array.from({ length: Math.round((5 - minRating) / step) + 1 }, (_, index) => 5 - index * step);
  const prices = [0, 1, 2, 3].map((part) => (part / 3) * maxPrice);
  const labels = placeLabels(best.map((point) => ({ ...point, x: x(point.price), y: y(point.rating) })));
  return (
    <aside className="panel" aria-labelledby="price-rating">
      <header>
        <h2 id="price-rating">Price and rating</h2>
      </header>
      <div className="in">
        <svg
          className="sc"
          viewBox="0 0 286 340"
          role="img"
          aria-label={`Price against rating. No other agent beats these on both: ${best.map(({ name, price, rating }) => `${name} at ${credits(price)}, rated ${rating.toFixed(2)}`).join('; ')}`}
        >
          {ratings.map((tick) => (
            <g key={tick}>
              <path d={`M${LEFT} ${y(tick)}H${RIGHT}`} stroke="var(--line)" />
              <text x="18" y={y(tick) + 4} textAnchor="end">
                {tick.toFixed(1)}
              </text>
            </g>
          ))}
          {prices.map((tick) => (
            <text key={tick} x={x(tick)} y="334" textAnchor={tick === maxPrice ? 'end' : 'middle'}>
              {tick ? credits(tick) : '0'}
            </text>
          ))}
          <path
            d={`M${best.map((point) => `${x(point.price)},${y(point.rating)}`).join('L')}`}
            fill="none"
            stroke="var(--line-2)"
            strokeWidth="1.5"
          />
          {points.map((point) => {
            const isBest = best.some(({ id }) => id === point.id);
            return (
              <circle
                key={point.id}
                cx={x(point.price)}
                cy={y(point.rating)}
                r={isBest ? 4.5 : 3.5}
                fill={isBest ? 'var(--text)' : 'var(--surface)'}
                stroke={isBest ? 'var(--text)' : 'var(--control)'}
                strokeWidth="1.5"
              >
                <title>{`${point.name}: ${credits(point.price)}, rated ${point.rating.toFixed(2)}`}</title>
              </circle>
            );
          })}
          {labels.map(({ id, name, at, anchor, down }) => (
            <text key={id} className="on" x={at} y={down} textAnchor={anchor}>
              {name.length > 24 ? `${name.slice(0, 23)}…` : name}
            </text>
          ))}
        </svg>
      </div>
      <p className="note mute">
        {best.length === 1
          ? 'The filled agent is the cheapest and the best rated.'
          : `${plural(best.length, 'agent')} on the line: no other is both cheaper and better rated.`}
      </p>
    </aside>
  );
}

interface Labelled {
  id: string;
  name: string;
  x: number;
  y: number;
}

/** Names stand inward of their dot; one that would cover the name before it is left out: the dot's title has it. */
function placeLabels(points: readonly Labelled[]) {
  const placed: { id: string; name: string; at: number; anchor: 'start' | 'end'; down: number }[] = [];
  for (const { id, name, x, y } of points) {
    const isRight = x > 150;
    const down = y + (isRight ? -8 : 15);
    if (placed.some((other) => Math.abs(other.down - down) < 13)) continue;
    placed.push({ id, name, at: isRight ? x + 4 : x + 7, anchor: isRight ? 'end' : 'start', down });
  }
  return placed;
}

function niceCeiling(value: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(value));
  return (
    [1, 1.5, 2, 3, 6, 9, 10].map((factor) => factor * magnitude).find((size) => size >= value * 1.05) ?? value * 1.1
  );
}
