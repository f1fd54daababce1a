import type { Cost } from './meter.js';
import { type Aim, type Figure, isMet, median, ratioToPeer } from './statistics.js';

export function figuresTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => [
    figure.suite,
    figure.backend,
    `${figure.name}, ${figure.unit === '/s' ? 'per second' : figure.unit}`,
    number(median(figure.ours)),
    figure.peer ? number(median(figure.peer)) : '',
    number(ratioToPeer(figure)),
    figure.aim ? describeAim(figure.aim) : '',
    verdict(isMet(figure)),
  ]);
  return table(['suite', 'queue', 'figure', 'ours', 'peer', 'ratio', 'aim', 'met'], rows);
}

export function costsTable(costs: readonly Cost[]): string {
  const rows = costs.map((cost) => [
    cost.suite,
    cost.backend,
    cost.subject,
    number(cost.statements),
    number(cost.commits),
    number(cost.redisCommands),
    number(cost.walKb),
    number(cost.storedKb),
    number(cost.nodeCpuMs),
    number(cost.sandboxCpuMs),
    number(cost.postgresCpuMs),
    number(cost.redisCpuMs),
  ]);
  const heads = [
    ...['statements', 'commits', 'Redis commands', 'WAL KB', 'stored KB'],
    ...['Node ms', 'sandboxes ms', 'PostgreSQL ms', 'Redis ms'],
  ];
  return table(['suite', 'queue', 'per task of', ...heads], rows);
}

function describeAim(aim: Aim): string {
  if ('atLeast' in aim) return `≥ ${number(aim.atLeast)}`;
  if ('below' in aim) return `< ${number(aim.below)}`;
  if ('atMostOfPeer' in aim) return `≤ ${aim.atMostOfPeer} of the peer`;
  return `≥ ${aim.atLeastOfPeer} of the peer`;
}

const verdict = (met: boolean | undefined): string => (met === undefined ? '' : met ? 'yes' : 'NO');

export function number(value: number | undefined): string {
  if (value === undefined) return '';
  if (!Number.isFinite(value)) return 'none';
  return value.toLocaleString('en', { maximumFractionDigits: Math.abs(value) >= 100 ? 0 : 2 });
}

/** Markdown, so that it can be pasted into the documentation as it is. Numbers stand to the right. */
export function table(heads: string[], rows: string[][]): string {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column].length)));
  const right = heads.map((_, column) => rows.length > 0 && rows.every((row) => /^[\d,.]*$/.test(row[column])));
  const line = (cells: string[]): string =>
    `| ${cells.map((cell, i) => (right[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (right[i] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`;
  return [line(heads), rule, ...rows.map(line)].join('\n');
}
