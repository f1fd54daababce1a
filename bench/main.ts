import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { type Bench, FULL, QUICK, type Report, type Suite } from './bench.js';
import { renderDocument, type Run } from './report/document.js';
import { renderSizing } from './report/sizing.js';
import { backlog } from './suites/backlog.js';
import { components } from './suites/components.js';
import { cancellation } from './suites/cancellation.js';
import { endToEnd } from './suites/end-to-end.js';
import { flood } from './suites/flood.js';
import { hostCalls } from './suites/host-calls.js';
import { gateway } from './suites/gateway.js';
import { languages } from './suites/languages.js';
import { latency } from './suites/latency.js';
import { ledger } from './suites/ledger.js';
import { login } from './suites/login.js';
import { sandbox } from './suites/sandbox.js';
import { market } from './suites/market.js';
import { strategies } from './suites/strategies.js';
import { reading } from './suites/reading.js';
import { onlooker } from './suites/onlooker.js';
import { scale } from './suites/scale.js';
import { selection } from './suites/selection.js';
import { soak } from './suites/soak.js';
import { submission } from './suites/submission.js';
import { upload } from './suites/upload.js';
import { validation } from './suites/validation.js';
import { type Backend, type Services, startServices } from './support/services.js';
import { isMet, ratioToPeer } from './support/statistics.js';
import { costsTable, figuresTable } from './support/table.js';

/** In the order of the task's way: taken, done, heard of. */
const SUITES: Suite[] = [
  { name: 'submission', run: submission },
  { name: 'end-to-end', run: endToEnd },
  { name: 'latency', run: latency },
  { name: 'cancellation', run: cancellation },
  { name: 'ledger', run: ledger, backends: ['postgres'] },
  { name: 'gateway', run: gateway },
  { name: 'reading', run: reading, backends: ['redis'] },
  { name: 'onlooker', run: onlooker, backends: ['redis'] },
  { name: 'login', run: login, backends: ['redis'] },
  { name: 'backlog', run: backlog, backends: ['redis'] },
  { name: 'scale', run: scale, backends: ['redis'] },
  { name: 'flood', run: flood, backends: ['redis'] },
  // No queue has a part in these.
  { name: 'selection', run: selection, backends: ['postgres'] },
  { name: 'market', run: market, backends: ['postgres'] },
  { name: 'strategies', run: strategies, backends: ['postgres'] },
  { name: 'upload', run: upload, backends: ['postgres'] },
  { name: 'validation', backends: ['postgres'], run: validation },
  // One of its peers needs Redis; it needs no queue.
  { name: 'sandbox', run: sandbox, backends: ['redis'] },
  { name: 'languages', run: languages, backends: ['postgres'] },
  { name: 'components', run: components, backends: ['postgres'] },
  { name: 'host-calls', run: hostCalls, backends: ['postgres'] },
  { name: 'soak', run: soak, backends: ['postgres'], onRequest: true },
];
const BACKENDS: Backend[] = ['redis', 'postgres'];
const backendsOf = ({ backends = BACKENDS }: Suite): readonly Backend[] => backends;

const USAGE = `npm run bench -- [<name>] [--quick] [--profile] [--minutes <n>] | --render <file>

  without a name   everything, in about eleven minutes; docs/benchmarks.md and the sizing in docs/deployment.md
                   are written anew
  <name>           only what has it in its name, and nothing is written there: ${SUITES.flatMap((suite) => backendsOf(suite).map((b) => `${suite.name}/${b}`)).join(', ')}
  --quick          fewer tasks, one round: to see that it works, not to compare
  --minutes <n>    length of the soak; 10 without it. It runs only when it is named
  --profile        servers leave CPU profiles in bench/results/profiles (and are slower)
  --render <file>  writes both pages anew from what an earlier run wrote to bench/results`;

/** Between these lines the page is the benchmark's. */
const SIZING = /(<!-- sizing -->)[^]*(<!-- end -->)/;

const ROOT = new URL('../../', import.meta.url);
const RESULTS = fileURLToPath(new URL('bench/results/', ROOT));

const options = readOptions();
const stops: (() => Promise<void>)[] = [];
let ending: Promise<void> | undefined;
if (options.render !== undefined) {
  await writeReport(JSON.parse(await readFile(options.render, 'utf8')) as Run);
  process.exit(0);
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end().then(() => process.exit(1)));
try {
  const startedAt = new Date();
  const loadAtStart = loadavg()[0];
  const services = await startServices();
  stops.push(services.stop);
  const machine = describeMachine(services, loadAtStart);
  console.log(
    `${Object.entries(machine)
      .map(([name, value]) => `${name}: ${value}`)
      .join('\n')}\n`,
  );
  const busy = loadAtStart > cpus().length;
  if (busy) console.log('The machine is busy: absolute figures mean little in this run, ratios more.\n');

  const report = await runSuites({
    services,
    scale: { ...(options.quick ? QUICK : FULL), ...(options.soakMs && { soakMs: options.soakMs }) },
    profileDir: options.profile ? `${RESULTS}profiles` : undefined,
    onEnd: (stop) => stops.push(stop),
  });

  console.log(`\n${figuresTable(report.figures)}\n\n${costsTable(report.costs)}\n`);
  const file = `${RESULTS}${startedAt.toISOString().replaceAll(':', '-').slice(0, 19)}.json`;
  const figures = report.figures.map((figure) => ({ ...figure, ratio: ratioToPeer(figure), met: isMet(figure) }));
  machine['load average at the end'] = loadavg()[0].toFixed(2);
  const minutes = (Date.now() - startedAt.getTime()) / 60_000;
  const { costs, failures } = report;
  const run = { startedAt: startedAt.toISOString(), minutes, options, machine, busy, figures, costs, failures };
  await mkdir(RESULTS, { recursive: true });
  await writeFile(file, `${JSON.stringify(run, null, 2)}\n`);
  console.log(`Written to ${file}`);
  if (options.only === '' && !options.quick && !options.profile) await writeReport(run);
} finally {
  await end();
}

/** `docs/benchmarks.md` and its plots, and the tables that others take from it. What explains a suite stands beside it. */
async function writeReport(run: Run): Promise<void> {
  const source = (path: string): Promise<string> => readFile(fileURLToPath(new URL(`bench/${path}`, ROOT)), 'utf8');
  const explanations = new Map<string, string>();
  for (const { name } of SUITES) explanations.set(name, await source(`suites/${name}.md`));
  const { text, plots } = renderDocument(run, await source('report/preface.md'), explanations, 'benchmarks');
  const folder = new URL('docs/benchmarks/', ROOT);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const [name, plot] of Object.entries(plots)) await writeFile(new URL(name, folder), plot);
  const deployment = await readFile(fileURLToPath(new URL('docs/deployment.md', ROOT)), 'utf8');
  await writePage('benchmarks.md', text);
  await writePage('deployment.md', deployment.replace(SIZING, `$1\n\n${renderSizing(run)}\n\n$2`));
  console.log('docs/benchmarks.md, and the sizing in docs/deployment.md, are written anew.');
}

async function writePage(name: string, text: string): Promise<void> {
  const file = fileURLToPath(new URL(`docs/${name}`, ROOT));
  await writeFile(file, await format(text, { ...(await resolveConfig(file)), filepath: file }));
}

async function runSuites(bench: Bench): Promise<Report & { failures: string[] }> {
  const whole: Report & { failures: string[] } = { figures: [], costs: [], failures: [] };
  for (const suite of SUITES) {
    for (const backend of backendsOf(suite)) {
      if (!`${suite.name}/${backend}`.includes(options.only) || (suite.onRequest && options.only === '')) continue;
      console.log(`${new Date().toISOString().slice(11, 19)} ${suite.name} on ${backend} …`);
      try {
        const { figures, costs } = await suite.run(bench, backend);
        whole.figures.push(...figures);
        whole.costs.push(...costs);
      } catch (error) {
        // The others have their say; the report tells of this one.
        console.error(error);
        whole.failures.push(`${suite.name} on ${backend}: ${(error as Error).message}`);
        process.exitCode = 1;
      }
    }
  }
  return whole;
}

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      options: {
        quick: { type: 'boolean', default: false },
        profile: { type: 'boolean', default: false },
        render: { type: 'string' },
        minutes: { type: 'string' },
      },
      allowPositionals: true,
    });
    if (positionals.length > 1) throw new Error('one name at a time');
    const minutes = Number(values.minutes ?? 0);
    if (!(minutes >= 0)) throw new Error('--minutes is a number');
    return { ...values, soakMs: minutes * 60_000, only: positionals[0] ?? '' };
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exit(2);
  }
}

function describeMachine({ postgresVersion, redisVersion }: Services, loadAtStart: number): Record<string, string> {
  return {
    CPU: `${cpus().length} × ${cpus()[0]?.model.trim()}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GB`,
    'load average at the start': loadAtStart.toFixed(2),
    'Node.js': process.version,
    PostgreSQL: postgresVersion,
    Redis: redisVersion,
  };
}

/** The last started goes first. Whoever asks waits until all is stopped. */
function end(): Promise<void> {
  return (ending ??= (async () => {
    while (stops.length > 0) await stops.pop()!().catch((error: Error) => console.error(error.message));
  })());
}
