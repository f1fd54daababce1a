import { existsSync, mkdirSync, watch } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { ApiError } from '../../errors.js';
import { runAgentTool } from '../agent-tool.js';
import { type Command } from '../command.js';
import { type Context, readBytes } from '../context.js';
import { diffText, permissionDiff } from '../permission-diff.js';
import { build, formOf, type Manifest, readManifest } from '../project.js';
import { createProject, LANGUAGES } from '../templates.js';
import { confirm, note, progressBar } from '../terminal.js';
import { UsageError } from '../usage.js';

export const PROJECT_COMMANDS: Command[] = [
  {
    name: 'init',
    operands: '[FOLDER]',
    summary: 'Makes the project of a new agent from a template.',
    options: {
      language: {
        type: 'string',
        short: 'l',
        value: LANGUAGES.join('|'),
        help: 'of the template (default javascript)',
      },
      name: { type: 'string', value: 'NAME', help: 'of the agent (default: the name of the folder)' },
    },
    run: async (context) => {
      const [folder = '.'] = context.operands;
      const setUp = createProject(folder, context.text('language') ?? 'javascript', context.text('name'));
      const steps = [folder !== '.' && `cd ${folder}`, setUp, 'zerostate dev', 'zerostate deploy'].filter(Boolean);
      context.answer(
        { folder: resolve(folder) },
        () => `The project is in ${folder}. Next:\n${steps.map((step) => `  ${step}`).join('\n')}`,
      );
    },
  },
  {
    name: 'dev',
    operands: '[FOLDER]',
    summary: "Builds an agent, checks it and runs it in the server's sandbox on this machine, again after each change.",
    options: {
      once: { type: 'boolean', help: 'run once; the exit code says how it went' },
      input: {
        type: 'string',
        short: 'i',
        value: 'JSON|FILE',
        help: 'what the agent reads (default: the sample of agent.json)',
      },
      mock: { type: 'string', value: 'FILE', help: 'canned answers to host calls (default: the mocks of agent.json)' },
      answer: {
        type: 'string',
        multiple: true,
        value: 'JSON|TEXT',
        help: 'answer to a question of the agent, in their order',
      },
    },
    run: dev,
  },
  {
    name: 'deploy',
    operands: '[FOLDER]',
    summary: 'Builds and checks an agent, shows which permissions change, and uploads it.',
    options: {
      yes: { type: 'boolean', short: 'y', help: 'do not ask before permissions widen' },
      activate: { type: 'boolean', help: 'make the version active, even if its permissions are wider' },
      'no-build': { type: 'boolean', help: 'upload the binary as it is' },
    },
    run: deploy,
  },
];

/** After the last change of several, ms. */
const SETTLED_MS = 200;

async function dev(context: Context): Promise<number> {
  const [folder = '.'] = context.operands;
  if (context.flag('once')) return tryOut(context, folder);
  const { signal } = context;
  for (;;) {
    const changed = nextChange(folder, signal);
    await tryOut(context, folder).catch((error: Error) => note(error.message));
    note('\nWaiting for changes. Ctrl-C ends.\n');
    await changed;
    signal.throwIfAborted();
  }
}

/** @returns the exit code: 0 when the agent completed */
async function tryOut(context: Context, folder: string): Promise<number> {
  const manifest = readManifest(folder);
  if (!(await build(folder, manifest, context.signal))) return 1;
  return runAgentTool(['run', manifest.binary, ...runOptions(context, folder, manifest)], {
    cwd: folder,
    signal: context.signal,
  });
}

function runOptions(context: Context, folder: string, { permissions, limits, ...manifest }: Manifest): string[] {
  const input = context.text('input') ?? manifest.sample;
  const mock = context.text('mock') ?? (manifest.mocks && join(folder, manifest.mocks));
  if (permissions) mkdirSync(join(folder, '.zerostate'), { recursive: true });
  const isFile = context.text('input') !== undefined && existsSync(context.text('input')!);
  return [
    ...(input === undefined ? [] : ['--input', isFile ? resolve(input) : input]),
    ...(limits ? ['--limits', JSON.stringify(limits)] : []),
    ...(permissions ? ['--permissions', JSON.stringify(permissions), '--state', '.zerostate/state.json'] : []),
    ...(permissions && mock ? ['--mock', resolve(mock)] : []),
    ...(permissions ? context.texts('answer').flatMap((answer) => ['--answer', answer]) : []),
    ...(context.isJson ? ['--json'] : []),
  ];
}

/** Settles once files of the project have changed, and then stayed as they are for a moment; or at an abort. */
function nextChange(folder: string, signal: AbortSignal): Promise<void> {
  const { binary } = existsSync(join(folder, 'agent.json')) ? readManifest(folder) : { binary: '' };
  const made = [relative(folder, join(folder, binary)), '.zerostate', 'node_modules', '.git'];
  return new Promise((done) => {
    let timer: NodeJS.Timeout | undefined;
    const finish = () => {
      clearTimeout(timer);
      watcher.close();
      signal.removeEventListener('abort', finish);
      done();
    };
    const watcher = watch(folder, { recursive: true }, (_, name) => {
      if (name === null || made.includes(name) || made.includes(name.split(sep)[0])) return;
      clearTimeout(timer);
      timer = setTimeout(finish, SETTLED_MS);
    });
    signal.addEventListener('abort', finish, { once: true });
  });
}

async function deploy(context: Context): Promise<number> {
  const [folder = '.'] = context.operands;
  const manifest = readManifest(folder);
  const { signal, client } = context;
  const isBuilt = !context.flag('no-build');
  if (isBuilt && !(await build(folder, manifest, signal))) return 1;
  // The bundler of scripts has already checked what it made.
  if (!isBuilt || manifest.source === undefined) {
    const checked = await runAgentTool(['validate', manifest.binary], { cwd: folder, signal, quiet: true });
    if (checked !== 0) return checked;
  }

  const current = await client
    .request('GET', '/agents/{id}', { path: { id: manifest.slug }, signal })
    .catch(unlessMissing);
  const diff = permissionDiff(current?.permissions ?? null, manifest.permissions ?? null);
  note(current ? `${manifest.slug}: active version ${current.version ?? 'none'}.` : `${manifest.slug} is a new agent.`);
  note(diffText(diff));
  if (current && diff.added.length > 0 && !context.flag('yes')) await askAboutPermissions();

  const wasm = readBytes('the binary', join(folder, manifest.binary));
  const uploaded = await client.uploadAgent(manifest.slug, wasm, formOf(manifest), {
    signal,
    onProgress: progressBar('Upload'),
  });
  const path = { id: manifest.slug, version: uploaded.version };
  const isActive =
    uploaded.active ||
    (context.flag('activate') &&
      (await client.request('POST', '/agents/{id}/versions/{version}/activate', { path, signal })).active);
  context.answer({ ...uploaded, active: isActive, permissions_diff: diff }, () =>
    [
      `${manifest.slug} ${uploaded.version}: ${uploaded.status}. ${uploaded.message}`,
      isActive
        ? 'The version is active.'
        : `The version is not active yet: zerostate agents activate ${path.id} ${path.version}`,
    ].join('\n'),
  );
  return 0;
}

function unlessMissing(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 404) return undefined;
  throw error;
}

async function askAboutPermissions(): Promise<void> {
  if (!process.stdin.isTTY) throw new UsageError('The permissions are wider than before. Say --yes to upload them.');
  if (!(await confirm('The permissions are wider than before. Upload?'))) throw new UsageError('Nothing was uploaded.');
}
