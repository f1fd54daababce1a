import type { Cost } from '../support/meter.js';
import { type Figure, isMet, median, ratioToPeer } from '../support/statistics.js';
import { costsTable, figuresTable } from '../support/table.js';
import { drawBars, type Plot } from './plot.js';

/** One run of the benchmark, as it is written to `bench/results/`. */
export interface Run {
  /** RFC 3339. */
  startedAt: string;
  minutes: number;
  /** What it ran on, by name: hardware, versions, load. */
  machine: Record<string, string>;
  figures: Figure[];
  costs: Cost[];
  /** Suites that broke off, each with its message. */
  failures: string[];
}

export interface Document {
  /** Markdown. */
  text: string;
  /** SVG documents, by file name. */
  plots: Record<string, string>;
}

/**
 * @param preface what stands before the figures
 * @param explanations what stands before those of a suite, by its name, beginning with a heading of the second level
 * @param plotFolder where the plots will be, seen from the document
 */
export function renderDocument(
  run: Run,
  preface: string,
  explanations: ReadonlyMap<string, string>,
  plotFolder: string,
): Document {
  const plots: Record<string, string> = {};
  const sections: string[] = [];
  for (const [suite, explanation] of explanations) {
    const figures = run.figures.filter((figure) => figure.suite === suite);
    if (figures.length === 0) continue;
    const costs = run.costs.filter((cost) => cost.suite === suite);
    const pictures = plotsOf(suite, figures).map((plot) => {
      const name = `${suite}-${plot.unit === 'per second' ? 'rates' : 'times'}.svg`;
      plots[name] = drawBars(plot);
      return `![${plot.title}, ${plot.unit}](${plotFolder}/${name})`;
    });
    sections.push(
      [
        explanation.trim(),
        ...pictures,
        figuresTable(figures),
        ...(costs.length > 0 ? ['What it costs:', costsTable(costs)] : []),
      ].join('\n\n'),
    );
  }
  return { text: `${[preface.trim(), summary(run), ...sections].join('\n\n')}\n`, plots };
}

function summary({ startedAt, minutes, machine, figures, failures }: Run): string {
  const judged = figures.filter(({ aim }) => aim);
  const missed = judged.filter((figure) => !isMet(figure));
  const facts = Object.entries(machine).map(([name, value]) => `- ${name}: ${value}`);
  return [
    '## This run',
    [
      `- begun: ${startedAt.slice(0, 16).replace('T', ' ')} UTC`,
      `- took: ${minutes.toFixed(1)} minutes`,
      ...facts,
    ].join('\n'),
    ...(failures.length > 0 ? ['These broke off:', failures.map((failure) => `- ${failure}`).join('\n')] : []),
    `Of ${judged.length} aims ${judged.length - missed.length} are met` +
      (missed.length === 0 ? '.' : `. These ${missed.length} are not:`),
    ...(missed.length === 0 ? [] : [figuresTable(missed)]),
  ].join('\n\n');
}

/** Rates, and times: bars of other units say little beside one another. */
function plotsOf(suite: string, figures: readonly Figure[]): Plot[] {
  const backends = new Set(figures.map(({ backend }) => backend));
  const label = ({ name, backend }: Figure): string => (backends.size > 1 ? `${name} (${backend})` : name);
  const units = [
    { of: '/s', unit: 'per second' },
    { of: 'ms', unit: 'ms' },
  ] as const;
  return units
    .map(({ of, unit }) => ({
      title: suite,
      unit,
      rows: figures
        .filter((figure) => figure.unit === of)
        .map((figure) => ({
          label: label(figure),
          ours: median(figure.ours),
          ...(ratioToPeer(figure) !== undefined && { peer: median(figure.peer!) }),
        })),
    }))
    .filter(({ rows }) => rows.length > 0);
}
