import type { Schemas } from '../api/client';
import { type FeedEvent, isEnded } from './events';

type Task = Schemas['TaskDto'];
type Round = Schemas['AuctionRoundDto'];

export type BarKind = 'wait' | 'ink' | 'start' | 'run' | 'ok' | 'bad';

export interface Bar {
  /** Milliseconds after the submission. */
  start: number;
  length: number;
  kind: BarKind;
}

export interface Step {
  name: string;
  glyph: 'clock' | 'gavel' | 'flow' | 'coin' | 'completed' | 'failed' | 'running' | 'assigned' | 'cancelled';
  bars: Bar[];
  /** Beside the bar. */
  words: string;
  attempt?: number;
  /** Still under way: its last bar grows. */
  isOpen?: boolean;
}

interface Attempt {
  ordinal: number;
  name: string;
  assigned: number;
  running?: number;
  wallMs?: number;
}

/**
 * What happened to a task, as steps on one time axis. Times are those of its events; the run of an attempt is as long as
 * it was measured. @param events of the task, oldest first, without its log
 * @param now milliseconds after the submission, for what is under way
 */
export function stepsOf(task: Task, rounds: readonly Round[], events: readonly FeedEvent[], now: number): Step[] {
  const begun = new Date(task.created_at).getTime();
  const at = (time: string): number => Math.max(0, new Date(time).getTime() - begun);
  const steps: Step[] = [];
  let waitingSince: number | undefined = 0;
  let attempt: Attempt | undefined;

  const award = (data: Record<string, unknown>, when: number): void => {
    attempt = { ordinal: Number(data.attempt), name: String(data.agent_name ?? 'Agent'), assigned: when };
  };
  const endAttempt = (
    outcome: 'ok' | 'bad' | 'wait',
    words: string,
    wallMs: number | undefined,
    end: number,
  ): number => {
    if (!attempt) return end;
    const { ordinal, name, assigned, running } = attempt;
    const run = running ?? assigned;
    const ended = wallMs === undefined ? end : Math.min(end, run + wallMs);
    const glyph = ({ ok: 'completed', bad: 'failed', wait: 'cancelled' } as const)[outcome];
    const bars: Bar[] = [
      { start: assigned, length: run - assigned, kind: 'start' },
      { start: run, length: ended - run, kind: outcome },
    ];
    steps.push({ name, glyph, bars: bars.filter(({ length }) => length > 0), words, attempt: ordinal });
    attempt = undefined;
    return ended;
  };

  for (const { type, data, at: time } of events) {
    const when = at(time);
    const wallMs = typeof data.wall_ms === 'number' ? data.wall_ms : undefined;
    const error = data.agent_error ?? data.error;
    const code = error && typeof error === 'object' ? String((error as { code?: string }).code ?? '') : '';
    if (type === 'task.assigned') {
      const round = roundBefore(rounds, Number(data.attempt));
      const decided = round ? Math.min(at(round.decided_at), when) : when;
      if (waitingSince !== undefined)
        steps.push({ name: 'Queued', glyph: 'clock', bars: [bar(waitingSince, decided, 'wait')], words: '' });
      const words = round ? auctionWords(round) : '';
      steps.push({ name: 'Auction and award', glyph: 'gavel', bars: [bar(decided, when, 'ink')], words });
      waitingSince = undefined;
      award(data, when);
    } else if (type === 'task.running' && attempt) attempt.running = when;
    else if (type === 'task.failover') {
      const ended = endAttempt('bad', code, wallMs, when);
      const next = (data.next ?? {}) as Record<string, unknown>;
      const round = roundBefore(rounds, Number(next.attempt));
      steps.push({
        name: `Failover to ${String(next.agent_name ?? 'the next agent')}`,
        glyph: 'flow',
        bars: [bar(ended, when, 'ink')],
        words: round && round.round > 1 ? auctionWords(round) : 'No new auction',
      });
      award(next, when);
    } else if (type === 'task.requeued') {
      const words = `Back in the queue: ${String(data.reason ?? '')}`;
      if (attempt) endAttempt(code ? 'bad' : 'wait', code || words, wallMs, when);
      waitingSince = when;
    } else if (type === 'task.completed') {
      const ended = endAttempt('ok', 'Completed', wallMs, when);
      steps.push({ name: 'Stored and settled', glyph: 'coin', bars: [bar(ended, when, 'wait')], words: '' });
    } else if (type === 'task.failed') {
      if (waitingSince !== undefined)
        steps.push({ name: 'Queued', glyph: 'clock', bars: [bar(waitingSince, when, 'wait')], words: '' });
      const ended = attempt ? endAttempt('bad', code, wallMs, when) : when;
      const final = (data.error as { code?: string } | undefined)?.code ?? '';
      const words = final === code ? '' : final;
      steps.push({ name: 'Failed and settled', glyph: 'coin', bars: [bar(ended, when, 'wait')], words });
      waitingSince = undefined;
    } else if (type === 'task.cancelled') {
      if (waitingSince !== undefined)
        steps.push({ name: 'Queued', glyph: 'clock', bars: [bar(waitingSince, when, 'wait')], words: '' });
      if (attempt) endAttempt('wait', 'Stopped', undefined, when);
      steps.push({ name: 'Cancelled', glyph: 'cancelled', bars: [bar(when, when, 'ink')], words: '' });
      waitingSince = undefined;
    }
  }
  if (attempt) {
    const { ordinal, name, assigned, running } = attempt;
    const bars: Bar[] = [bar(assigned, running ?? now, 'start')];
    if (running !== undefined) bars.push(bar(running, now, 'run'));
    const words = running === undefined ? 'Starts' : 'Runs';
    const glyph = running === undefined ? 'assigned' : 'running';
    steps.push({ name, glyph, bars, words, attempt: ordinal, isOpen: true });
  } else if (waitingSince !== undefined && !isEnded(task.status)) {
    steps.push({
      name: 'Queued',
      glyph: 'clock',
      bars: [bar(waitingSince, now, 'wait')],
      words: 'Waits',
      isOpen: true,
    });
  }
  return steps;
}

const bar = (start: number, end: number, kind: BarKind): Bar => ({ start, length: Math.max(0, end - start), kind });

/** The auction that led to an attempt: the last whose first attempt is not after it. */
function roundBefore(rounds: readonly Round[], ordinal: number): Round | undefined {
  return rounds.findLast(({ first_attempt }) => first_attempt !== null && first_attempt <= ordinal);
}

function auctionWords({ bids, excluded_count }: Round): string {
  const others = excluded_count > 0 ? `, ${excluded_count} did not` : '';
  return bids.length > 0 ? `${bids.length} bid${others}; ${bids[0].agent_name} won` : `No bid${others}`;
}

/** @returns round ticks from 0 to just beyond the end, about six of them */
export function ticksTo(end: number): number[] {
  const rough = Math.max(end, 1) / 6;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * magnitude).find((size) => size >= rough)!;
  return Array.from({ length: Math.ceil(end / step) + 1 }, (_, index) => index * step);
}
