import type { Schemas } from '../../api/client';
import type { FeedEvent } from '../../lib/events';
import { bytes, clock, credits, milliseconds, plural } from '../../lib/format';
import { Panel, Tag } from '../../ui/basics';
import { JsonTree } from '../../ui/json-tree';

type Call = Omit<Schemas['HostCallDto'], 'at'>;

/** What the agents at work asked of the host, as it happens. */
export function HostCallsPanel({ events }: { events: readonly FeedEvent[] }) {
  const calls = events.filter(({ type }) => type === 'task.host_call');
  if (calls.length === 0) return null;
  const cost = calls.reduce((sum, { data }) => sum + Number((data as unknown as Call).cost), 0);
  return (
    <Panel title="Host calls" note={`${plural(calls.length, 'call')}, ${credits(cost)}`}>
      <div className="scroll tall" tabIndex={0} role="group" aria-label="Host calls">
        <table className="tbl">
          <thead>
            <tr>
              <th>Time</th>
              <th className="num">Attempt</th>
              <th>Method</th>
              <th>Host, model or task</th>
              <th>Outcome</th>
              <th className="num">Sent</th>
              <th className="num">Received</th>
              <th className="num">Took</th>
              <th className="num">Cost</th>
            </tr>
          </thead>
          <tbody>
            {calls.map(({ seq, at, data }) => {
              const call = data as unknown as Call;
              return (
                <tr key={seq}>
                  <td className="mono">{clock(at, true)}</td>
                  <td className="num">{call.attempt}</td>
                  <td className="mono">{call.method}</td>
                  <td>{call.target ?? <span className="dim">–</span>}</td>
                  <td>
                    {call.outcome === 'OK' ? (
                      'OK'
                    ) : (
                      <Tag tone="bad" glyph="x">
                        {call.outcome}
                      </Tag>
                    )}
                  </td>
                  <td className="num">{bytes(call.request_bytes)}</td>
                  <td className="num">{bytes(call.answer_bytes ?? 0)}</td>
                  <td className="num">{milliseconds(call.duration_ms ?? 0)}</td>
                  <td className="num">{credits(Number(call.cost))}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

interface Output {
  attempt: number;
  n: number;
  data: unknown;
  final: boolean;
}

/** Shown at most: the newest. */
const MAX_OUTPUTS = 50;

/** Partial results and progress of the agents, the newest first. */
export function OutputPanel({ events }: { events: readonly FeedEvent[] }) {
  const outputs = events.filter(({ type }) => type === 'task.output');
  if (outputs.length === 0) return null;
  const shown = outputs.slice(-MAX_OUTPUTS).reverse();
  return (
    <Panel title="Partial results" note={plural(outputs.length, 'part')}>
      <ol className="parts" aria-live="polite">
        {shown.map(({ seq, at, data }) => {
          const output = data as unknown as Output;
          return (
            <li key={seq}>
              <span className="dim">
                {clock(at, true)}, attempt {output.attempt}
                {output.final && ', the last'}
              </span>
              {typeof output.data === 'string' ? (
                <p>{output.data}</p>
              ) : (
                <JsonTree value={output.data} label={`Part ${output.n}`} />
              )}
            </li>
          );
        })}
      </ol>
    </Panel>
  );
}
