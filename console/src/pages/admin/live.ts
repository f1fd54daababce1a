import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, type Schemas, unwrap } from '../../api/client';
import { onAllEvents } from '../../api/feed';
import type { FeedEvent } from '../../lib/events';

/** Figures are read again at most so often while things happen, ms. */
const REFRESH_MS = 2000;
const MINUTE = 60_000;
/** Latencies kept of one minute: enough for its percentiles, and bounded. */
const KEPT = 1000;
/** Minutes that the plots show. */
export const SHOWN_MINUTES = 30;

export const useQueueStats = () =>
  useQuery({ queryKey: ['queue'], queryFn: () => unwrap(api.GET('/api/v1/queue/stats')) });

export const useGatewayStats = () =>
  useQuery({ queryKey: ['gateway'], queryFn: () => unwrap(api.GET('/api/v1/gateway/stats')) });

export type Readiness = Schemas['ReadyDto'];

/** Public, and 503 while a required dependency is away: both answers have the same form. */
export const useReadiness = () =>
  useQuery({
    queryKey: ['ready'],
    queryFn: async (): Promise<Readiness> => (await fetch('/health/ready')).json() as Promise<Readiness>,
  });

/** What happened in one minute. */
export interface Minute {
  /** Its start, ms since the epoch. */
  at: number;
  submitted: number;
  completed: number;
  failed: number;
  failovers: number;
  /** From submission to end, ms, of the tasks whose submission was seen. */
  latencies: number[];
}

export interface Watched {
  /** Since when the page has watched. */
  since: number;
  minutes: Minute[];
  /** By code of the error, with the agent of the last one. */
  failures: Map<string, { tasks: number; agent: string }>;
}

/**
 * Watches the whole feed. The API keeps no history of these figures, so they begin when the page opens. Reads the
 * queue's figures again while things happen.
 */
export function useWatched(): Watched {
  const queries = useQueryClient();
  const [watched, setWatched] = useState<Watched>(() => ({ since: Date.now(), minutes: [], failures: new Map() }));
  useEffect(() => {
    const submittedAt = new Map<string, number>();
    let timer: number | undefined;
    const stop = onAllEvents((events) => {
      setWatched((before) => counted(before, events, submittedAt));
      timer ??= window.setTimeout(() => {
        timer = undefined;
        for (const key of ['queue', 'gateway', 'ready']) void queries.invalidateQueries({ queryKey: [key] });
      }, REFRESH_MS);
    });
    return () => {
      stop();
      window.clearTimeout(timer);
    };
  }, [queries]);
  return watched;
}

function counted(before: Watched, events: readonly FeedEvent[], submittedAt: Map<string, number>): Watched {
  const minutes = before.minutes.slice(-SHOWN_MINUTES);
  const failures = new Map(before.failures);
  const changed = new Map<number, Minute>();
  const minuteOf = (time: number): Minute => {
    const at = Math.floor(time / MINUTE) * MINUTE;
    const known = changed.get(at) ?? minutes.find((minute) => minute.at === at);
    const minute = changed.has(at)
      ? known!
      : known
        ? { ...known, latencies: [...known.latencies] }
        : { at, submitted: 0, completed: 0, failed: 0, failovers: 0, latencies: [] };
    changed.set(at, minute);
    return minute;
  };
  for (const { type, task_id, data, at } of events) {
    const time = Date.parse(at);
    if (!type.startsWith('task.') || type === 'task.log' || task_id === null) continue;
    const minute = minuteOf(time);
    if (type === 'task.queued') {
      minute.submitted++;
      submittedAt.set(task_id, time);
    } else if (type === 'task.failover') minute.failovers++;
    else if (type === 'task.completed' || type === 'task.failed' || type === 'task.cancelled') {
      const begun = submittedAt.get(task_id);
      if (begun !== undefined && type !== 'task.cancelled') keep(minute, time - begun);
      submittedAt.delete(task_id);
      if (type === 'task.completed') minute.completed++;
      if (type === 'task.failed') {
        minute.failed++;
        const code = (data.error as { code?: string } | undefined)?.code ?? 'UNKNOWN';
        const known = failures.get(code);
        const agent = typeof data.agent_name === 'string' ? data.agent_name : '–';
        failures.set(code, { tasks: (known?.tasks ?? 0) + 1, agent });
      }
    }
  }
  const others = minutes.filter((minute) => !changed.has(minute.at));
  return { ...before, failures, minutes: [...others, ...changed.values()].sort((a, b) => a.at - b.at) };
}

/** Beyond the limit each value is kept with the same chance. */
function keep({ latencies, completed, failed }: Minute, ms: number): void {
  if (latencies.length < KEPT) latencies.push(ms);
  else {
    const place = Math.floor(Math.random() * (completed + failed + 1));
    if (place < KEPT) latencies[place] = ms;
  }
}

/** @returns the value that a share of the values does not exceed; undefined without values */
export function percentile(values: readonly number[], share: number): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
}
