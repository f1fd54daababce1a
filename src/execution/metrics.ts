import { counter, counters, gauge, histogram, markFailed, SLOW_SECONDS, type Span } from '../observability/index.js';
import { RUN_ENDS, type RunReport } from './run.js';

const MIB = 2 ** 20;

const runs = counters('sandbox_runs_total', 'Runs of agents, by how they ended.', { end: RUN_ENDS });
const runDuration = histogram('sandbox_run_duration_seconds', 'Wall time of one run.', [], SLOW_SECONDS);
const cpu = counter('sandbox_cpu_seconds_total', 'Processor time of agents.');
const memory = histogram(
  'sandbox_peak_memory_bytes',
  'Linear memory of one run at its end.',
  [],
  [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].map((mib) => mib * MIB),
);
export const kills = counters('sandbox_kills_total', 'Sandbox processes killed in the middle of a run, by reason.', {
  reason: ['timed_out', 'cpu_exhausted', 'crashed', 'cancelled'],
});

export function countRun({ outcome, metering }: RunReport): void {
  runs.inc({ end: outcome.end });
  runDuration.observe(metering.wallMs / 1000);
  cpu.inc(metering.cpuMs / 1000);
  memory.observe(metering.peakMemoryBytes);
}

export function tellRun(span: Span, { outcome, metering }: RunReport): void {
  span.setAttributes({
    'zerostate.sandbox.end': outcome.end,
    'zerostate.sandbox.wall_ms': metering.wallMs,
    'zerostate.sandbox.cpu_ms': metering.cpuMs,
    'zerostate.sandbox.peak_memory_bytes': metering.peakMemoryBytes,
  });
  if (outcome.end !== 'completed') markFailed(span, { code: outcome.end, message: '' });
}

/** @param pool whose figures are read at each scrape */
export function watchPool(pool: { figures(): PoolFigures }, slots: number): void {
  gauge('sandbox_slots', 'Runs this process may do at the same time.', [], () => slots);
  gauge('sandbox_slots_busy', 'Runs going on.', [], () => pool.figures().running);
  gauge('sandbox_runs_waiting', 'Runs that wait for a slot.', [], () => pool.figures().waiting);
  gauge('sandbox_runs_parked', 'Runs that wait for an answer without a slot.', [], () => pool.figures().parked);
  gauge('sandbox_processes', 'Sandbox processes alive.', [], () => pool.figures().living);
}

export interface PoolFigures {
  /** Runs under way. */
  running: number;
  /** Runs that wait for a slot. */
  waiting: number;
  /** Runs that have given their slots to others. */
  parked: number;
  /** Sandbox processes alive. */
  living: number;
}
