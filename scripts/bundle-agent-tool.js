/**
 * Bundles what `npm run agent` is (the server's validator, sandbox and host calls) for the package of the command
 * `zerostate`, which has no packages of its own.
 *
 * The compiled code is one program with its packages inside. Scripts that confined processes read are copied as they
 * are, in their places: `import.meta.url` in the bundle names the place that a module had before.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { NODE_BUNDLE, ownPlaces, PACKAGES_INSIDE } from './bundle.js';
import { ROOT } from './preflight.js';

/** Serve databases, queues, stores, mail and telemetry. No run of an agent on its author's machine uses them. */
const UNUSED =
  /^(argon2|ioredis|bullmq|@bull-board\/.*|@aws-sdk\/.*|ipfs-.*|multiformats.*|@ipld\/.*|nodemailer|pino-pretty|@opentelemetry\/(exporter|sdk|resources|core).*|rate-limiter-flexible)$/;

/**
 * Takes the place of an unused package: whatever is imported of it can be extended, called and read, to no effect.
 * @param names what is imported by name
 */
const standIn = (names) => `
const nothing = new Proxy(function () {}, {
  get: (target, key) => (key === 'prototype' ? target.prototype : nothing),
  apply: () => nothing,
  construct: () => nothing,
});
export { ${['default', ...names].map((name) => `nothing as ${name}`).join(', ')} };`;

/**
 * @param dist folder of the compiled server
 * @param target gets `package.json`, `dist/main.js` and `dist/src`
 */
export async function bundleAgentTool(dist, target) {
  const { build } = await import('esbuild');
  const folder = join(target, 'dist');
  await build({
    // Decorators call what `reflect-metadata` adds, so it runs before all others.
    stdin: {
      contents: `import 'reflect-metadata'; await import(${JSON.stringify(join(dist, 'src/agent-cli/main.js'))});`,
      resolveDir: ROOT,
      sourcefile: 'main.js',
    },
    entryNames: 'main',
    // The bundle takes the place of the folder `dist`.
    plugins: [{ name: 'agent-tool', setup: (esbuild) => plugin(esbuild, dist) }, ownPlaces(dist, dist)],
    outdir: folder,
    ...NODE_BUNDLE,
    ...PACKAGES_INSIDE,
  });
  for (const name of scriptsOfChildren(dist)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    cpSync(join(dist, name), join(folder, name));
  }
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  writeFileSync(join(target, 'package.json'), JSON.stringify({ name: 'zerostate', version, type: 'module' }));
}

function plugin({ onResolve, onLoad, resolve }, dist) {
  const resolving = Symbol('resolving');
  onResolve({ filter: /^[^./]/ }, async ({ path, kind, importer, resolveDir, pluginData }) => {
    if (kind === 'entry-point' || pluginData === resolving || isBuiltin(path)) return undefined;
    if (UNUSED.test(path)) return { path, namespace: 'unused' };
    // Not from the bundles beside the compiled code: parts of a package that nothing uses are left out here.
    const from = resolveDir.startsWith(dist) ? ROOT : resolveDir;
    const found = await resolve(path, { kind, importer, resolveDir: from, pluginData: resolving });
    // An optional dependency that is not installed: its importer deals with that at run time.
    return found.errors.length > 0 ? { path, external: true } : found;
  });
  const imported = importedNames(dist);
  onLoad({ filter: /.*/, namespace: 'unused' }, ({ path }) => ({ contents: standIn(imported.get(path) ?? []) }));
}

/** @returns the names that the compiled code imports of each package */
function importedNames(dist) {
  const names = new Map();
  for (const file of readdirSync(join(dist, 'src'), { recursive: true }).filter((name) => name.endsWith('.js'))) {
    const text = readFileSync(join(dist, 'src', file), 'utf8');
    for (const [, list, name] of text.matchAll(/^import [^'"]*?\{([^}]*)\} from ['"]([^.'"][^'"]*)['"]/gm)) {
      const found = list.split(',').map((item) => item.trim().split(' as ')[0]);
      names.set(name, new Set([...(names.get(name) ?? []), ...found.filter((item) => item && item !== 'default')]));
    }
  }
  return new Map([...names].map(([name, found]) => [name, [...found]]));
}

/** @returns what the lists of scripts for confined processes name, relative to `dist` */
function scriptsOfChildren(dist) {
  const names = ['src/confinement/measurement/probe.js', 'src/confinement/preload.js'];
  for (const list of ['src/validation/confined-check.js', 'src/execution/sandbox-confinement.js']) {
    const [, text] = /\[([^\]]+)\]\.map\(\(path\) => new URL\(path, import\.meta\.url\)\)/.exec(
      readFileSync(join(dist, list), 'utf8'),
    );
    for (const [, path] of text.matchAll(/'([^']+)'/g)) names.push(join(dirname(list), path));
  }
  return [...new Set(names)];
}
