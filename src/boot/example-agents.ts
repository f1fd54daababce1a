import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type INestApplicationContext, Logger } from '@nestjs/common';
import type { Caller } from '../auth/index.js';
import { AppError } from '../common/app-error.js';
import { Staging } from '../storage/index.js';
import { UploadService } from '../upload/index.js';

const EXAMPLES = fileURLToPath(new URL('../../../examples/agents', import.meta.url));
const PYTHON_BUNDLER = join(EXAMPLES, 'python', 'bundle.mjs');
/** Makes the bytes of a bundled agent identical at each start, seconds since 1970. */
const SOURCE_DATE_EPOCH = '1767225600';
const logger = new Logger('FirstRun');

/**
 * Uploads each agent below `examples/agents` as an owner would: form, validation, storage, version. Python agents are
 * bundled first, which takes about a second each.
 *
 * @param which `compiled` leaves out the Python agents
 * @returns lines for the operator
 */
export async function registerExamples(
  app: INestApplicationContext,
  owner: Caller,
  which: 'all' | 'compiled' | 'none',
): Promise<string[]> {
  const cards = which === 'none' ? [] : await exampleCards();
  const wanted = cards.filter(({ python }) => which === 'all' || !python);
  if (wanted.length > 0) logger.log(`registering ${wanted.length} example agents`);
  const folder = await mkdtemp(join(tmpdir(), 'zerostate-examples-'));
  try {
    const registered: string[] = [];
    for (const card of wanted) {
      try {
        await register(app, owner, card, folder);
        registered.push(card.form.slug);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        logger.warn(`the example agent ${card.form.slug} was not registered: ${error.code} ${error.message}`);
        // An outage affects all of them, and the start waits. The next start tries again.
        if (error.kind === 'unavailable' || error.kind === 'full') break;
      }
    }
    return registered.length > 0 ? [`Agents      ${registered.join(', ')}`] : [];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function register(app: INestApplicationContext, owner: Caller, card: ExampleCard, folder: string): Promise<void> {
  const binary = card.python ? await bundled(card.python, join(folder, `${card.form.slug}.wasm`)) : card.binary!;
  const uploads = app.get(UploadService, { strict: false });
  const staging = app.get(Staging, { strict: false });
  const { slug, ...form } = card.form;
  const staged = await staging.stage(createReadStream(binary), (await stat(binary)).size);
  await uploads.publish(owner, await uploads.destination(owner, slug), form, staged);
}

async function bundled(script: string, target: string): Promise<string> {
  const env = { PATH: process.env.PATH, SOURCE_DATE_EPOCH };
  await promisify(execFile)(process.execPath, [PYTHON_BUNDLER, script, target], { env }).catch((error: Error) => {
    throw new AppError('internal', 'BUNDLING_FAILED', error.message);
  });
  return target;
}

/** An example agent: its card in `agent.json`, and the path of its binary or Python script. */
interface ExampleCard {
  form: { slug: string } & Record<string, unknown>;
  binary?: string;
  python?: string;
}

async function exampleCards(): Promise<ExampleCard[]> {
  const entries = await readdir(EXAMPLES, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => join(EXAMPLES, entry.name));
  const cards: ExampleCard[] = [];
  for (const folder of folders.sort()) {
    const text = await readFile(join(folder, 'agent.json'), 'utf8').catch(() => null);
    if (text === null) continue;
    const { binary, python, ...form } = JSON.parse(text) as ExampleCard['form'] & { binary?: string; python?: string };
    cards.push({ form, binary: binary && join(folder, binary), python: python && join(folder, python) });
  }
  return cards;
}
