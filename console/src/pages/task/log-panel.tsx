import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { FeedEvent } from '../../lib/events';
import { clock, count, milliseconds, plural } from '../../lib/format';
import { Button, Copy, Empty, Segments } from '../../ui/basics';
import { Glyph } from '../../ui/glyph';
import type { LogLine, TaskHistory } from './task-events';

/** The agents' log and the task's events, across the page. */
export function LogPanel({ history, begun }: { history: TaskHistory; begun: string }) {
  const { log, events } = history;
  const [view, setView] = useState<'log' | 'events'>('log');
  const [query, setQuery] = useState('');
  const [hit, setHit] = useState(0);
  const hits = useMemo(() => {
    const wanted = query.toLowerCase();
    return wanted ? log.flatMap(({ text }, index) => (text.toLowerCase().includes(wanted) ? [index] : [])) : [];
  }, [log, query]);
  const current = hits.length > 0 ? hit % hits.length : -1;
  return (
    <section className="panel" id="log" aria-labelledby="log-title">
      <header>
        <h2 id="log-title">Log</h2>
        <Segments
          label="Log or events"
          value={view}
          options={[
            ['log', plural(log.length, 'line')],
            ['events', plural(events.length, 'event')],
          ]}
          onChange={setView}
        />
        {view === 'log' && log.length > 0 && (
          <div className="end">
            <label className="find in-log">
              <Glyph name="search" />
              <span className="sr">Search the log</span>
              <input
                value={query}
                placeholder="Search the log"
                onChange={(event) => {
                  setQuery(event.target.value);
                  setHit(0);
                }}
                onKeyDown={(event) => {
                  if (event.key === 'Enter' && hits.length > 0)
                    setHit((hit + (event.shiftKey ? hits.length - 1 : 1)) % hits.length);
                }}
              />
              {query && (
                <span className="nowrap">
                  {hits.length > 0 ? current + 1 : 0} of {count(hits.length)}
                </span>
              )}
            </label>
            <Copy text={log.map(({ at, attempt, text }) => `${at} ${attempt} ${text}`).join('\n')} what="the log" />
          </div>
        )}
      </header>
      {view === 'events' ? (
        <Events events={events} begun={begun} />
      ) : log.length === 0 ? (
        <Empty title="No log lines">What an agent writes to standard error appears here as it comes.</Empty>
      ) : (
        <Lines log={log} query={query} current={current >= 0 ? hits[current] : undefined} />
      )}
    </section>
  );
}

interface LinesProps {
  log: readonly LogLine[];
  query: string;
  /** Index of the hit to show. */
  current: number | undefined;
}

/** Follows the end until the reader scrolls up. */
function Lines({ log, query, current }: LinesProps) {
  const box = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const [seen, setSeen] = useState(log.length);
  const lines = useVirtualizer({
    count: log.length,
    getScrollElement: () => box.current,
    estimateSize: () => 20,
    overscan: 20,
  });
  useEffect(() => {
    if (isAtEnd.current && current === undefined) lines.scrollToIndex(log.length - 1, { align: 'end' });
  }, [log.length, lines, current]);
  useEffect(() => {
    if (current !== undefined) lines.scrollToIndex(current, { align: 'center' });
  }, [current, lines]);

  const unseen = log.length - Math.max(seen, 0);
  return (
    <div className="log-frame">
      <div
        ref={box}
        className="log"
        role="log"
        tabIndex={0}
        aria-label="Log lines"
        onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
          isAtEnd.current = scrollTop + clientHeight > scrollHeight - 30;
          if (isAtEnd.current) setSeen(log.length);
        }}
      >
        <div style={{ height: lines.getTotalSize(), position: 'relative' }}>
          {lines.getVirtualItems().map(({ index, start }) => {
            const line = log[index];
            const isNewAttempt = index > 0 && log[index - 1].attempt !== line.attempt;
            return (
              <div
                key={index}
                ref={lines.measureElement}
                data-index={index}
                className="line"
                style={{ transform: `translateY(${start}px)` }}
              >
                {isNewAttempt && <p className="sep">Attempt {line.attempt}</p>}
                <div className="row-line">
                  <span className="n">{line.number}</span>
                  <time dateTime={line.at}>{clock(line.at, true)}</time>
                  <span className="a">attempt {line.attempt}</span>
                  <span>{marked(line.text, query, index === current)}</span>
                </div>
              </div>
            );
          })}
        </div>
      </div>
      {!isAtEnd.current && unseen > 0 && (
        <Button small className="unseen" onClick={() => lines.scrollToIndex(log.length - 1, { align: 'end' })}>
          {plural(unseen, 'new line')}
        </Button>
      )}
    </div>
  );
}

function marked(text: string, query: string, isCurrent: boolean) {
  if (!query) return text;
  const parts = [];
  const [where, wanted] = [text.toLowerCase(), query.toLowerCase()];
  let from = 0;
  for (let at = where.indexOf(wanted); at >= 0; at = where.indexOf(wanted, from)) {
    parts.push(text.slice(from, at));
    parts.push(
      <mark key={at} className={isCurrent ? 'on' : ''}>
        {text.slice(at, at + query.length)}
      </mark>,
    );
    from = at + query.length;
  }
  return [...parts, text.slice(from)];
}

function Events({ events, begun }: { events: readonly FeedEvent[]; begun: string }) {
  return (
    <div className="scroll" tabIndex={0} role="group" aria-label="Events">
      <table className="tbl">
        <thead>
          <tr>
            <th className="num">Seq</th>
            <th>Time</th>
            <th className="num">After</th>
            <th>Event</th>
            <th>Data</th>
          </tr>
        </thead>
        <tbody>
          {events.map(({ seq, type, at, data }) => (
            <tr key={seq}>
              <td className="num dim">{count(seq)}</td>
              <td className="mono">{clock(at, true)}</td>
              <td className="num">{milliseconds(Math.max(0, Date.parse(at) - Date.parse(begun)))}</td>
              <td>{type}</td>
              <td className="mono dim cut wide" title={JSON.stringify(data)}>
                {JSON.stringify(data)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
