/** What a plot shows: a pair of bars for each figure, on a logarithmic axis. */
export interface Plot {
  title: string;
  unit: string;
  rows: { label: string; ours: number; peer?: number }[];
}

const WIDTH = 880;
const LABELS = 400;
const RIGHT = 70;
const BAR = 11;
const ROW = 34;
const TOP = 58;
const OURS = '#2f6fde';
const PEER = '#b9b9b9';

/** Horizontal bars as an SVG document that needs nothing else; readable on a light and on a dark page. */
export function drawBars({ title, unit, rows }: Plot): string {
  const drawn = rows.filter(({ ours }) => ours > 0);
  const values = drawn.flatMap(({ ours, peer }) => [ours, peer ?? 0]).filter((value) => value > 0);
  // From the power of ten below the least to that above the most.
  const from = Math.floor(Math.log10(Math.min(...values, 1e9)) - 0.001);
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...values, 1e-9))));
  const x = (value: number): number =>
    LABELS + ((WIDTH - LABELS - RIGHT) * (Math.log10(Math.max(value, 10 ** from)) - from)) / (to - from);
  const height = TOP + drawn.length * ROW + 12;
  const ticks = Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index));
  const bar = (value: number, y: number, colour: string): string =>
    `<rect x="${LABELS}" y="${y}" width="${round(x(value) - LABELS)}" height="${BAR}" fill="${colour}"/>` +
    text(x(value) + 5, y + BAR - 1.5, number(value), 'start', 10);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" role="img" aria-label="${escape(title)}">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(12, 20, `${title} (${unit}, logarithmic)`, 'start', 14),
    `<rect x="12" y="30" width="10" height="10" fill="${OURS}"/>${text(26, 39, 'ZeroState', 'start', 11)}`,
    `<rect x="100" y="30" width="10" height="10" fill="${PEER}"/>${text(114, 39, 'peer', 'start', 11)}`,
    ...ticks.map(
      (tick) =>
        `<line x1="${round(x(tick))}" x2="${round(x(tick))}" y1="${TOP - 6}" y2="${height - 8}" stroke="#e4e4e4"/>` +
        text(x(tick), TOP - 10, number(tick), 'middle', 10),
    ),
    ...drawn.map(({ label, ours, peer }, index) => {
      const y = TOP + index * ROW;
      return (
        text(LABELS - 8, y + BAR + 3, label, 'end', 11) +
        bar(ours, y, OURS) +
        (peer === undefined ? '' : bar(peer, y + BAR + 1, PEER))
      );
    }),
    '</svg>\n',
  ].join('\n');
}

type Anchor = 'start' | 'middle' | 'end';

const text = (x: number, y: number, content: string, anchor: Anchor, size: number): string =>
  `<text x="${round(x)}" y="${round(y)}" font-size="${size}" text-anchor="${anchor}" fill="#24292f">${escape(content)}</text>`;

const escape = (content: string): string =>
  content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const round = (value: number): number => Math.round(value * 10) / 10;

const number = (value: number): string =>
  value.toLocaleString('en', { maximumSignificantDigits: value >= 1000 ? 6 : 3, maximumFractionDigits: 2 });
