import { clock } from '../lib/format';
import { ticksTo } from '../lib/timeline';
import { useWidth } from './price-line';

const [HEIGHT, TOP, BOTTOM, LEFT, RIGHT] = [168, 6, 144, 44, 8];
const MINUTE = 60_000;

export interface Bars {
  name: string;
  colour: string;
  /** One for each minute. */
  values: readonly number[];
}

interface MinutesProps {
  title: string;
  unit: string;
  /** Starts of the minutes, ms since the epoch. */
  times: readonly number[];
  /** Stacked in this order. */
  bars?: readonly Bars[];
  /** Undefined where a minute has no value. */
  lines?: readonly { name: string; colour: string; values: readonly (number | undefined)[] }[];
  format: (value: number) => string;
  /** The axis reaches this at least. */
  least: number;
  /** How many minutes the axis has. */
  span: number;
}

/** Figures minute by minute: bars begin at 0, and each figure is also in the table behind "As table". */
export function Minutes({ title, unit, times, bars = [], lines = [], format, least, span }: MinutesProps) {
  const [box, width] = useWidth();
  const end = Math.floor(Date.now() / MINUTE) * MINUTE;
  const begin = end - (span - 1) * MINUTE;
  const slot = (width - LEFT - RIGHT) / span;
  const x = (time: number): number => LEFT + ((time - begin) / MINUTE) * slot;
  const sums = times.map((_, index) => bars.reduce((sum, { values }) => sum + values[index], 0));
  const tops = [...sums, ...lines.flatMap(({ values }) => values.filter((value) => value !== undefined)), least];
  const ticks = ticksTo(Math.max(...tops)).filter((_, index, all) => all.length <= 5 || index % 2 === 0);
  const max = Math.max(ticks.at(-1)!, ...tops);
  const y = (value: number): number => BOTTOM - (value / max) * (BOTTOM - TOP);
  const series = [...bars, ...lines];
  return (
    <figure>
      <figcaption>
        <b>{title}</b>
        <span>{unit}</span>
      </figcaption>
      <div ref={box}>
        <svg viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={`${title}, ${unit}, minute by minute`}>
          {ticks.map((tick) => (
            <g key={tick}>
              <path d={`M${LEFT} ${y(tick)}H${width - RIGHT}`} stroke="var(--line)" />
              <text x={LEFT - 8} y={y(tick) + 4} textAnchor="end">
                {format(tick)}
              </text>
            </g>
          ))}
          {[0, span / 2, span - 1].map((minute, index) => (
            <text
              key={minute}
              x={x(begin + minute * MINUTE) + slot / 2}
              y="162"
              textAnchor={(['start', 'middle', 'end'] as const)[index]}
            >
              {clock(new Date(begin + Math.round(minute) * MINUTE)).slice(0, 5)}
            </text>
          ))}
          {times.map((time, index) => {
            let base = 0;
            return bars.map(({ name, colour, values }) => {
              const height = y(base) - y(base + values[index]);
              base += values[index];
              return (
                <rect
                  key={`${time} ${name}`}
                  x={x(time)}
                  y={y(base)}
                  width={Math.max(1, slot - 1)}
                  height={height}
                  fill={colour}
                >
                  <title>{`${clock(new Date(time)).slice(0, 5)}: ${values[index]} ${name}`}</title>
                </rect>
              );
            });
          })}
          {lines.map(({ name, colour, values }) => (
            <g key={name} stroke={colour} fill={colour}>
              <path
                fill="none"
                strokeWidth="1.5"
                strokeLinejoin="round"
                d={values
                  .map((value, index) =>
                    value === undefined
                      ? ''
                      : `${lastIsGap(values, index) ? 'M' : 'L'}${x(times[index]) + slot / 2},${y(value)}`,
                  )
                  .join('')}
              />
              {values.map((value, index) =>
                value === undefined ? null : (
                  <circle key={times[index]} cx={x(times[index]) + slot / 2} cy={y(value)} r="2" stroke="none">
                    <title>{`${clock(new Date(times[index])).slice(0, 5)}: ${name} ${format(value)}`}</title>
                  </circle>
                ),
              )}
            </g>
          ))}
        </svg>
      </div>
      <div className="legend">
        {series.map(({ name, colour }) => (
          <span key={name}>
            <i style={{ background: colour }} />
            {name}
          </span>
        ))}
      </div>
    </figure>
  );
}

const lastIsGap = (values: readonly (number | undefined)[], index: number): boolean =>
  index === 0 || values[index - 1] === undefined;
