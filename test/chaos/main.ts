import { parseArgs } from 'node:util';
import { FAULTS } from './faults.js';
import { type Backend, removeInstallations } from './installation.js';
import { play, type Report } from './scenario.js';

const USAGE = `npm run chaos -- [--only <name>] [--backend redis|postgres] [--tasks <n>] [--seed <n>] [--strikes <n>]

  Breaks an installation while it works on its tasks, and checks that nothing is lost. Scenarios: everything, ${Object.keys(FAULTS).join(', ')}`;

const BACKENDS: readonly Backend[] = ['redis', 'postgres'];
/** All that an ordinary account may do, one by chance after the other. */
const EVERYTHING = 'everything';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    backend: { type: 'string' },
    tasks: { type: 'string', default: '2000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    strikes: { type: 'string', default: '4' },
    help: { type: 'boolean' },
  },
});
if (options.help) {
  console.log(USAGE);
  process.exit(0);
}
const [tasks, seed, strikes] = [options.tasks, options.seed, options.strikes].map(Number);

const names = [...Object.keys(FAULTS), EVERYTHING].filter(
  (name) => options.only === undefined || name === options.only,
);
if (names.length === 0) throw new Error(`There is no scenario ${options.only}.\n${USAGE}`);

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void removeInstallations().then(() => process.exit(1)));

console.log(`seed ${seed}, ${tasks} tasks each\n`);
console.log(
  row([
    'scenario',
    'queue',
    'tasks',
    'completed',
    'failed',
    'cancelled',
    'attempts',
    'lost',
    'faults',
    'recovered in s',
    'violations',
  ]),
);
console.log(row(Array.from({ length: 11 }, (_, place) => (place < 2 ? '---' : '---:'))));
let violated = false;
for (const name of names) {
  for (const backend of BACKENDS) {
    if (options.backend !== undefined && backend !== options.backend) continue;
    const faults = faultsOf(name, backend);
    if (faults.length === 0) continue;
    try {
      const report = await play({ backend, faults, strikes: name === EVERYTHING ? 3 * strikes : strikes, tasks, seed });
      show(name, backend, report);
      violated ||= report.violations.length > 0;
    } catch (error) {
      violated = true;
      console.log(
        `\n  ${name} on ${backend} could not be played to its end, seed ${seed}: ${(error as Error).stack}\n`,
      );
    }
  }
}
process.exit(violated ? 1 : 0);

function faultsOf(name: string, backend: Backend): string[] {
  const possible = Object.keys(FAULTS).filter((fault) => FAULTS[fault].backends?.includes(backend) ?? true);
  if (name === EVERYTHING) return possible.filter((fault) => !FAULTS[fault].prepare);
  return possible.filter((fault) => fault === name);
}

function show(name: string, backend: Backend, report: Report): void {
  const { completed, failed, cancelled, attempts, lost, struck, recoveredMs, violations, history } = report;
  const figures = [
    tasks,
    completed,
    failed,
    cancelled,
    attempts,
    lost,
    struck.length,
    (recoveredMs / 1000).toFixed(1),
    violations.length,
  ];
  console.log(row([name, backend, ...figures.map(String)]));
  if (violations.length === 0) return;
  console.log(`\n  seed ${seed}; struck: ${struck.join(', ')}`);
  for (const { invariant, detail, taskId } of violations.slice(0, 10))
    console.log(`  ${invariant}: ${detail} ${taskId ?? ''}`);
  console.log(`${history}\n`);
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
