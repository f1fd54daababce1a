import { Link } from '@tanstack/react-router';
import { memo } from 'react';
import type { TaskSummary } from '../../api/queries';
import { isEnded } from '../../lib/events';
import { capital, clock, credits, duration, fullTime, shortId } from '../../lib/format';
import { State } from '../../ui/basics';

interface TaskRowProps {
  task: TaskSummary;
  agent: string | undefined;
  isSelected: boolean;
  isFocused: boolean;
  isFresh: boolean;
  onSelect: (id: string) => void;
  /** For tasks under way, ms since the epoch; 0 for others, whose row then stays as it is. */
  now: number;
  top: number;
}

/** From 10 ms to 100 s on a log scale, percent. */
const at = (ms: number): number => Math.min(100, Math.max(0, (Math.log10(Math.max(ms, 10) / 10) / 4) * 100));

export const TaskRow = memo(function TaskRow(props: TaskRowProps) {
  const { task, agent, isSelected, isFocused, isFresh, onSelect, now, top } = props;
  const { id, status, error, description, required_capabilities, cost } = task;
  const created = Date.parse(task.created_at);
  const end = task.completed_at ? Date.parse(task.completed_at) : now;
  const started = task.started_at ? Date.parse(task.started_at) : undefined;
  const waited = Math.max(0, (started ?? end) - created);
  const ran = started === undefined ? undefined : Math.max(0, end - started);
  const title = description || required_capabilities.join(', ') || 'Any agent';
  const kind = status === 'running' ? 'run' : status === 'failed' ? 'bad' : status === 'queued' ? 'queued' : '';
  return (
    <div
      className={`tr${isFresh ? ' fresh' : ''}${isFocused ? ' at' : ''}`}
      role="row"
      aria-selected={isSelected}
      data-task={id}
      style={{ transform: `translateY(${top}px)` }}
    >
      <span role="cell" className="c-check">
        <input type="checkbox" aria-label={`Select ${title}`} checked={isSelected} onChange={() => onSelect(id)} />
      </span>
      <span role="cell" className="c-state">
        <State status={status} />
      </span>
      <span role="cell" className="c-title cut">
        <Link to="/tasks/$taskId" params={{ taskId: id }} title={title}>
          {title}
        </Link>
        {error && <span className="tag bad big-only">{error.code}</span>}
      </span>
      <span role="cell" className="c-agent cut">
        {task.agent_id ? (
          <>
            {agent ?? 'An agent'} <span className="dim">{task.version}</span>
          </>
        ) : (
          <span className="dim">{isEnded(status) ? 'No agent' : 'Auction to come'}</span>
        )}
        {error && <span className="small-only error"> · {error.code}</span>}
      </span>
      <span role="cell" className={`c-priority${task.priority === 'normal' ? ' dim' : ''}`}>
        {capital(task.priority)}
      </span>
      <span role="cell" className="c-cost num">
        {cost === null ? <span className="dim">–</span> : credits(cost)}
      </span>
      <span role="cell" className="c-budget num dim">
        {credits(task.budget)}
      </span>
      <span role="cell" className="c-waited num dim">
        {duration(waited)}
      </span>
      <span role="cell" className={`c-ran num${status === 'running' ? ' running' : ''}`}>
        {ran === undefined ? <span className="dim">–</span> : duration(ran)}
      </span>
      <span role="cell" className="c-dot" aria-hidden="true">
        <span className="dots" title={`${duration(waited + (ran ?? 0))} in all`}>
          <i className={kind} style={{ left: `${at(waited + (ran ?? 0))}%` }} />
        </span>
      </span>
      <span role="cell" className="c-at num" title={fullTime(task.created_at)}>
        {clock(task.created_at)}
      </span>
      <span role="cell" className="c-id mono dim" title={id}>
        {shortId(id)}
      </span>
    </div>
  );
});
