import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { onTaskEvents } from '../../api/feed';
import type { FeedEvent } from '../../lib/events';

export interface LogLine {
  /** 1 for the first of the task. */
  number: number;
  at: string;
  attempt: number;
  text: string;
}

/** A task's history so far. Log lines are apart: there may be ten thousand. */
export interface TaskHistory {
  events: FeedEvent[];
  log: LogLine[];
}

/** Events that change no member of the task. */
const PASSING = ['task.log', 'task.output', 'task.host_call'];

const NOTHING: TaskHistory = { events: [], log: [] };

/** Follows a task: its whole past first, then what happens. The task is read again when its state changes. */
export function useTaskHistory(taskId: string): TaskHistory {
  const queries = useQueryClient();
  const [history, setHistory] = useState(NOTHING);
  useEffect(() => {
    setHistory(NOTHING);
    return onTaskEvents(taskId, (fresh) => {
      setHistory((before) => grown(before, fresh));
      if (fresh.every(({ type }) => PASSING.includes(type))) return;
      void queries.invalidateQueries({ queryKey: ['task', taskId] });
      void queries.invalidateQueries({ queryKey: ['auction', taskId] });
    });
  }, [taskId, queries]);
  return history;
}

function grown({ events, log }: TaskHistory, fresh: readonly FeedEvent[]): TaskHistory {
  const lines: LogLine[] = [];
  for (const { type, data, at } of fresh) {
    if (type !== 'task.log') continue;
    for (const text of data.lines as string[])
      lines.push({ number: log.length + lines.length + 1, at, attempt: Number(data.attempt), text });
  }
  const others = fresh.filter(({ type }) => type !== 'task.log');
  return {
    events: others.length > 0 ? [...events, ...others] : events,
    log: lines.length > 0 ? [...log, ...lines] : log,
  };
}
