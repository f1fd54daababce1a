/**
 * Builds the SDK and the command `zerostate` from `sdk/src` into `sdk/dist`, which takes a moment, and nothing when the
 * folder is up to date.
 *
 *   node scripts/build-sdk.js [--types]   with --types: writes the types of the API, and checks all types instead
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeApiTypes } from './api-types.js';
import { changedAt, latest } from './changed-at.js';
import { fail, ROOT } from './preflight.js';

const SDK = join(ROOT, 'sdk');
const SCHEMA = join(SDK, 'src/schema.ts');
const COMPLETE = join(SDK, 'dist/.complete');
const SOURCES = ['sdk/src', 'package-lock.json', 'scripts/build-sdk.js'];

/** Writes the types of requests and answers, unless they are up to date. */
export async function writeSdkTypes() {
  if (!existsSync(SDK)) return; // tests of the build make trees without it
  await writeApiTypes(SCHEMA);
}

/** @throws Error when a source cannot be read; esbuild has already printed why */
export async function buildSdk() {
  if (changedAt(COMPLETE) > latest(ROOT, SOURCES)) return;
  const { build } = await import('esbuild');
  const sources = readdirSync(join(SDK, 'src'), { recursive: true }).filter((name) => name.endsWith('.ts'));
  const { outputFiles } = await build({
    entryPoints: sources.filter((name) => name !== 'schema.ts').map((name) => join(SDK, 'src', name)),
    outbase: join(SDK, 'src'),
    outdir: join(SDK, 'dist'),
    format: 'esm',
    target: 'es2022',
    preserveSymlinks: true,
    write: false,
    logLevel: 'error',
  });
  for (const { path, text } of outputFiles) replaceFile(path, text);
  replaceFile(COMPLETE, '');
}

/** Leaves no moment at which another process reads half a file. */
function replaceFile(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.tmp`;
  writeFileSync(draft, text);
  renameSync(draft, path);
}

/** @throws Error when there is a type error; the compiler has already printed it */
export async function checkSdkTypes() {
  await writeSdkTypes();
  await compile('--noEmit');
}

/** Writes declarations of the types. @throws Error as `checkSdkTypes` */
export async function declareSdkTypes() {
  await writeSdkTypes();
  await compile('--emitDeclarationOnly');
}

function compile(...options) {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const child = spawn(process.execPath, [tsc, '-p', SDK, ...options], { cwd: ROOT, stdio: ['ignore', 2, 2] });
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error('The build of the SDK failed: the lines above say why.'));
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await (process.argv[2] === '--types' ? checkSdkTypes() : buildSdk());
  } catch (error) {
    fail(error);
  }
}
