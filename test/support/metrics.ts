import type { ServerProcess } from './server.js';
import { until } from './until.js';

/** The address of a server's own port for Prometheus; it must have been started with `METRICS_PORT=0`. */
export const operationsUrl = (server: ServerProcess): Promise<string> =>
  until(
    'the server says where its metrics are',
    () => /metrics and health on (http:\S+?)["\s]/.exec(server.stdout())?.[1],
  );

/** The samples of Prometheus' text format: `name{label="value"}` → value, the labels as they stand. */
export function parseMetrics(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [, sample, value] = /^(\S+?(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
      return [sample, Number(value)] as const;
    }),
  );
}

export async function scrape(url: string): Promise<Map<string, number>> {
  return parseMetrics(await (await fetch(`${url}/metrics`)).text());
}

/** The samples of a metric whose labels contain these. */
export function samples(metrics: Map<string, number>, name: string, ...labels: string[]): number[] {
  const found: number[] = [];
  for (const [sample, value] of metrics) {
    const [metric, rest = ''] = sample.split(/\{(.*)/, 2);
    if (metric === name && labels.every((label) => rest.includes(label))) found.push(value);
  }
  return found;
}

/** Their sum. */
export const total = (...asked: Parameters<typeof samples>): number =>
  samples(...asked).reduce((sum, value) => sum + value, 0);
