import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Bench, Report } from '../bench.js';
import { Sandbox } from '../support/sandbox.js';
import type { Figure } from '../support/statistics.js';

const ROOT = new URL('../../../', import.meta.url);
const PEERS = fileURLToPath(new URL('bench/peer/languages/', ROOT));
const JOBS = ['start', 'words', 'documents', 'recursion', 'sieve', 'sorting', 'strings', 'floats'];
/** Runs of one job in one round, by each peer in turn. */
const REPEATS = 5;

/** Runs small jobs as an agent in Python, as an agent in JavaScript, and in the machine's own Python. */
export async function languages(bench: Bench): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), 'zerostate-bench-'));
  const sandbox = await Sandbox.open();
  const native = await NativePython.start();
  bench.onEnd(async () => {
    native?.stop();
    await sandbox.close();
    await rm(folder, { recursive: true, force: true });
  });
  const python = sandbox.store(await bundled('python', 'jobs.py', folder));
  const javascript = sandbox.store(await bundled('javascript', 'jobs.js', folder));
  const figures: Figure[] = [];
  for (const job of JOBS) {
    const input = JSON.stringify({ job });
    const times = { python: [] as number[], javascript: [] as number[], native: [] as number[] };
    const expected = answerOf(await sandbox.run(python, input));
    await sandbox.run(javascript, input);
    for (let run = 0; run < bench.scale.rounds * REPEATS; run++) {
      const [ours, theirs] = [await sandbox.run(python, input), await sandbox.run(javascript, input)];
      if (answerOf(theirs) !== expected) throw new Error(`the languages disagree about ${job}`);
      times.python.push(ours.metering.wallMs);
      times.javascript.push(theirs.metering.wallMs);
      if (native) times.native.push(await native.timed(input));
    }
    const about = { suite: 'languages', backend: '', unit: 'ms', ours: times.python } as const;
    figures.push({ ...about, name: `${job}: Python, against JavaScript`, peer: times.javascript });
    if (native) figures.push({ ...about, name: `${job}: Python, against the machine’s own`, peer: times.native });
  }
  return { figures, costs: [] };
}

const answerOf = (report: Awaited<ReturnType<Sandbox['run']>>): string =>
  report.outcome.end === 'completed' ? String(report.outcome.output) : report.outcome.end;

/** Bundles a script of `bench/peer/languages` with the bundler of its language. @returns the agent's binary */
async function bundled(language: string, script: string, folder: string): Promise<Buffer> {
  const bundler = fileURLToPath(new URL(`examples/agents/${language}/bundle.mjs`, ROOT));
  const target = join(folder, `${language}.wasm`);
  await promisify(execFile)(process.execPath, [bundler, join(PEERS, script), target]);
  return readFile(target);
}

/** One process of the machine's `python3`, with the jobs loaded. */
class NativePython {
  private readonly answers: AsyncIterator<string>;

  private constructor(private readonly child: ChildProcess) {
    this.answers = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  /** @returns undefined, with a line that says so, when the machine has no `python3` */
  static async start(): Promise<NativePython | undefined> {
    const child = spawn('python3', ['-c', 'import jobs; jobs.serve()'], {
      cwd: PEERS,
      env: { PATH: process.env.PATH, PYTHONDONTWRITEBYTECODE: '1' },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const found = await Promise.race([once(child, 'spawn').then(() => true), once(child, 'error').then(() => false)]);
    if (found) return new NativePython(child);
    console.log('This machine has no python3: the figures against it are left out.');
    return undefined;
  }

  /** @returns time from the request to its answer, ms */
  async timed(input: string): Promise<number> {
    const begun = performance.now();
    this.child.stdin!.write(`${input}\n`);
    const { done } = await this.answers.next();
    if (done) throw new Error('python3 ended');
    return performance.now() - begun;
  }

  stop(): void {
    this.child.kill();
  }
}
