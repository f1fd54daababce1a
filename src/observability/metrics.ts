import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { inTime } from '../common/timers.js';

/**
 * The metrics of a process, for Prometheus. Each module declares its own in `metrics.ts` and updates them where the
 * fact is known: an addition in memory, some 100 ns. Figures known elsewhere (a queue, a pool) are *read* when
 * Prometheus asks, and cost nothing in between.
 *
 * Names follow Prometheus' conventions: base units (seconds, bytes), `_total` for counters. Label values come from
 * closed sets, never from clients: each combination is a permanent time series.
 */
export const registry = new Registry();

/** Node.js's own: CPU, memory, event loop, garbage collection. */
collectDefaultMetrics({ register: registry });

const PREFIX = 'zerostate_';

/**
 * @param name without prefix, with unit; ends in `_total`
 * @param labels whose values become known only as they occur; for the others see `counters`
 */
export const counter = <Label extends string>(name: string, help: string, labels: readonly Label[] = []) =>
  new Counter<Label>({ name: PREFIX + name, help, labelNames: [...labels], registers: [registry] });

/** The values that each label may have. */
type Labels = Record<string, readonly string[]>;

/**
 * A counter with labels. Every combination of values exists from the start, at 0. Prometheus sees no increase in a
 * series that starts with its first value, so an alert would miss the first burst.
 */
export function counters<const Sets extends Labels>(name: string, help: string, labels: Sets): Counts<Sets> {
  const made = new Counter({ name: PREFIX + name, help, labelNames: Object.keys(labels), registers: [registry] });
  for (const combination of combinations(labels)) made.inc(combination, 0);
  return made;
}

export interface Counts<Sets extends Labels> {
  inc(labels: { readonly [Label in keyof Sets]: Sets[Label][number] }, by?: number): void;
}

/** @param buckets upper bounds, ascending; by default for seconds from 1 ms to 10 s */
export const histogram = <Label extends string>(
  name: string,
  help: string,
  labels: readonly Label[] = [],
  buckets: number[] = FAST_SECONDS,
) => new Histogram<Label>({ name: PREFIX + name, help, labelNames: [...labels], buckets, registers: [registry] });

/** For requests that are answered at once. */
export const FAST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** For work that takes time: agents, scans, checks of binaries. */
export const SLOW_SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export type Sample = { labels?: Record<string, string>; value: number };

/**
 * A figure that is known elsewhere and read when Prometheus asks. If it cannot be read within `READ_MS`, the answer
 * leaves it out, as Prometheus expects of unknown values.
 */
export function gauge(
  name: string,
  help: string,
  labels: readonly string[],
  read: () => Sample[] | number | Promise<Sample[] | number>,
): void {
  // With several applications in one process (tests), the last one counts.
  registry.removeSingleMetric(PREFIX + name);
  new Gauge({
    name: PREFIX + name,
    help,
    labelNames: [...labels],
    registers: [registry],
    async collect() {
      this.reset();
      const found = await inTime(Promise.resolve().then(read), READ_MS, () => []).catch(() => []);
      const samples = typeof found === 'number' ? [{ value: found }] : found;
      for (const { labels: values = {}, value } of samples) this.set(values, value);
      if (samples.length === 0 && labels.length === 0) this.remove();
    },
  });
}

/** A counter that its module maintains, and that is read when Prometheus asks. */
export function tally(name: string, help: string, read: () => number): void {
  registry.removeSingleMetric(PREFIX + name);
  new Counter({
    name: PREFIX + name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

/** One reading shared by all callers within `forMs`; by default by the figures of one answer to Prometheus. */
export function shared<T>(read: () => Promise<T>, forMs = SAME_ANSWER_MS): () => Promise<T> {
  let last: { at: number; reading: Promise<T> } | undefined;
  return () => {
    if (!last || performance.now() - last.at > forMs) last = { at: performance.now(), reading: read() };
    return last.reading;
  };
}

const SAME_ANSWER_MS = 100;

/** How long one figure may take to read, ms: longer than it takes to find its source away. */
const READ_MS = 3000;

const combinations = (labels: Labels): Record<string, string>[] =>
  Object.entries(labels).reduce<Record<string, string>[]>(
    (found, [label, values]) => found.flatMap((before) => values.map((value) => ({ ...before, [label]: value }))),
    [{}],
  );
