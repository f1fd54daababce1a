import { duration, milliseconds } from '../lib/format';
import { type Step, ticksTo } from '../lib/timeline';
import { Glyph } from '../ui/glyph';

interface WaterfallProps {
  steps: readonly Step[];
  scale: 'linear' | 'log';
}

/** Nothing before this is told apart on the log scale, ms. */
const LOG_START = 1;

/** One row a step on one time axis. Grey: waiting and bookkeeping; ink: decisions; colour: attempts. */
export function Waterfall({ steps, scale }: WaterfallProps) {
  const end = Math.max(1, ...steps.flatMap(({ bars }) => bars.map(({ start, length }) => start + length)));
  const ticks = scale === 'linear' ? ticksTo(end) : logTicks(end);
  const last = ticks.at(-1)!;
  const at = (ms: number): number =>
    scale === 'linear'
      ? (ms / last) * 100
      : (Math.log10(Math.max(ms, LOG_START) / LOG_START) / Math.log10(last / LOG_START)) * 100;
  const unit = scale === 'linear' && last < 20_000 ? (ms: number) => ms.toLocaleString('en') : duration;
  return (
    <div className="wf" role="table" aria-label="Steps of the task and how long each took">
      <div className="r axis" aria-hidden="true">
        <span />
        <div className="lane">
          {ticks.map((tick, index) => (
            <span key={tick} style={{ left: `${at(tick)}%` }}>
              {index === 0 && scale === 'linear' ? '0 ms' : unit(tick)}
            </span>
          ))}
        </div>
        <span />
      </div>
      {steps.map((step, index) => (
        <StepRow key={index} step={step} at={at} isLast={index === steps.length - 1} lines={100 / (ticks.length - 1)} />
      ))}
    </div>
  );
}

interface StepRowProps {
  step: Step;
  at: (ms: number) => number;
  isLast: boolean;
  /** Distance of the grid's lines, percent. */
  lines: number;
}

function StepRow({ step: { name, glyph, bars, words, attempt, isOpen }, at, isLast, lines }: StepRowProps) {
  const first = bars[0];
  const final = bars.at(-1);
  const end = final ? at(final.start + final.length) : 0;
  const ms = bars.reduce((sum, { length }) => sum + length, 0);
  const isRight = end > 70;
  const wordsAt = isRight ? { right: `${100 - at(first?.start ?? 0)}%`, padding: '0 6px 0 0' } : { left: `${end}%` };
  return (
    <div className={`r${glyph === 'failed' ? ' bad' : ''}`} role="row">
      <span className="what" role="cell">
        {attempt ? (
          <span className={`st ${glyph}`}>
            <Glyph name={glyph} />
          </span>
        ) : (
          <Glyph name={glyph} />
        )}
        <span className="cut" title={name}>
          {attempt ? (
            <>
              <b>{name}</b> <span className="dim">Attempt {attempt}</span>
            </>
          ) : (
            name
          )}
        </span>
      </span>
      <div className="lane" role="cell" style={{ backgroundSize: `${lines}% 100%` }}>
        {bars.map(({ start, length, kind }) => (
          <i
            key={`${kind} ${start}`}
            className={kind}
            style={{ left: `${at(start)}%`, width: `${at(start + length) - at(start)}%` }}
            title={`${milliseconds(length)} from ${milliseconds(start)}`}
          />
        ))}
        {!isLast && <u style={{ left: `${end}%` }} />}
        {words && <em style={wordsAt}>{words}</em>}
      </div>
      <span className="num" role="cell">
        {ms > 0 ? milliseconds(ms) : <span className="dim">at {milliseconds(first?.start ?? 0)}</span>}
        {isOpen && <span className="sr"> so far</span>}
      </span>
    </div>
  );
}

function logTicks(end: number): number[] {
  const ticks = [LOG_START];
  while (ticks.at(-1)! < end) ticks.push(ticks.at(-1)! * 10);
  return ticks.length > 1 ? ticks : [LOG_START, 10 * LOG_START];
}
