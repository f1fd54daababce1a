/**
 * Bundles what the server loads. To find, read and compile thousands of small files is more than half of a start.
 *
 * - Packages: some 3,300 files of `node_modules` become about 100 beside the compiled code, where Node.js looks first.
 *   `dist/node_modules/typeorm` takes the place of `node_modules/typeorm`. Code that several packages share is in
 *   `dist/node_modules/.chunks`. What is not bundled is still found in `node_modules`.
 * - Programs: the server's own 550 files become about 20 in `dist/bin`. The compiled code stays, for tests that import
 *   single modules and for the sandboxes, which get single files.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { join, relative } from 'node:path';
import { ROOT } from './preflight.js';

/** Packages that would not work in a bundle, and why. */
const NOT_BUNDLED = {
  '@bull-board/ui': 'is files to serve',
  argon2: 'is a native addon',
  ioredis: 'reads its own package.json',
  'msgpackr-extract': 'is a native addon',
  pino: 'starts threads from its own files',
  'reflect-metadata': 'must run before the decorators of all others',
  'swagger-ui-dist': 'is files to serve',
};

const require = createRequire(import.meta.url);

/** Imported at run time, by names that esbuild does not see. A second copy of these would not share their state. */
const ALSO_BUNDLED = ['@nestjs/platform-express', 'class-transformer/cjs/storage'];

/** How esbuild bundles for Node.js. */
export const NODE_BUNDLE = {
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  keepNames: true, // NestJS names providers and schemas after their classes
  logLevel: 'error',
};

/** For a bundle that contains packages. */
export const PACKAGES_INSIDE = {
  minifyWhitespace: true, // to read and compile them is most of a start; names stay, for stack traces
  minifySyntax: true,
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);",
  },
};

/** What `dist/bin` has, by the compiled code it comes from. */
const PROGRAMS = { server: 'src/main.js', operator: 'src/operator/main.js', agent: 'src/agent-cli/main.js' };

/**
 * Bundles the programs of the compiled code in `folder`. They import the bundled packages, not copies of them.
 * @throws Error when that fails; esbuild has already printed why
 */
export async function bundlePrograms(folder) {
  const target = join(ROOT, folder, 'bin');
  rmSync(target, { recursive: true, force: true });
  const { build } = await import('esbuild'); // not there where nothing is built
  await build({
    entryPoints: Object.entries(PROGRAMS).map(([out, path]) => ({ in: join(ROOT, folder, path), out })),
    plugins: [ownPlaces(join(ROOT, folder), target)],
    outdir: target,
    chunkNames: '[name]-[hash]',
    ...NODE_BUNDLE,
    packages: 'external',
    sourcemap: true,
    sourcesContent: false,
  });
}

/**
 * Lets bundled modules of the compiled code in `dist` find files by their own places as before.
 * @param target where the bundle goes: `import.meta.url` in a module leads from there to the module
 */
export function ownPlaces(dist, target) {
  return {
    name: 'own-places',
    setup({ onLoad }) {
      onLoad({ filter: /\.js$/ }, ({ path }) => {
        if (!path.startsWith(join(dist, 'src/'))) return undefined;
        const code = readFileSync(path, 'utf8');
        if (!code.includes('import.meta.url')) return undefined;
        const place = JSON.stringify(relative(target, path));
        return { contents: code.replaceAll('import.meta.url', `new URL(${place}, import.meta.url).href`) };
      });
    },
  };
}

/**
 * Bundles for the compiled code in `folder`, unless the bundle there has the same packages. Other versions of them come
 * with another lock file, and then the build has emptied the folder.
 * @throws Error when a package cannot be bundled; esbuild has already printed why
 */
export async function bundlePackages(folder) {
  const target = join(ROOT, folder, 'node_modules');
  const names = [...new Set([...importedNames(join(ROOT, folder)), ...ALSO_BUNDLED])].sort();
  const madeOf = JSON.stringify(names);
  const record = join(target, '.made-of.json');
  if (existsSync(record) && readFileSync(record, 'utf8') === madeOf) return;

  rmSync(target, { recursive: true, force: true });
  const { build } = await import('esbuild'); // not there where nothing is built
  await build({
    entryPoints: names.map((name) => ({ in: name, out: fileOf(name) })),
    plugins: [await entries(names)],
    outdir: target,
    chunkNames: '.chunks/[name]-[hash]',
    ...NODE_BUNDLE,
    ...PACKAGES_INSIDE,
  });
  writeFileSync(join(target, '.chunks/package.json'), '{"type":"module"}');
  for (const name of new Set(names.map(packageOf))) {
    const paths = names.filter((path) => packageOf(path) === name);
    const part = (path) => path.slice(name.length);
    const exports = Object.fromEntries(paths.map((path) => [`.${part(path)}`, `.${part(fileOf(path))}.js`]));
    writeFileSync(join(target, name, 'package.json'), JSON.stringify({ name, type: 'module', exports }));
  }
  writeFileSync(record, madeOf);
}

/** @returns what the compiled code imports from the server's packages, such as `@nestjs/core` or `multiformats/cid` */
function importedNames(folder) {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return ['src', 'migrations', 'test', 'bench']
    .filter((part) => existsSync(join(folder, part)))
    .flatMap((part) => readdirSync(join(folder, part), { recursive: true }).map((name) => join(folder, part, name)))
    .filter((path) => path.endsWith('.js'))
    .flatMap((path) => [...readFileSync(path, 'utf8').matchAll(/\b(?:from|import) ?\(?["']([\w@][^"']*)["']/g)])
    .map(([, name]) => name)
    .filter((name) => packageOf(name) in dependencies && !(packageOf(name) in NOT_BUNDLED));
}

/** Gives each name a module that exports what the package exports: esbuild by itself loses the names of CommonJS. */
async function entries(names) {
  const contents = {};
  for (const name of names) {
    const exported = Object.keys(await import(name).catch(() => require(name))).filter(
      (key) => key !== '__esModule' && key !== 'module.exports',
    );
    contents[name] = `export { ${exported.join(', ')} } from ${JSON.stringify(name)};`;
  }
  const resolving = Symbol('resolving');
  return {
    name: 'entries',
    setup({ onResolve, onLoad, resolve }) {
      onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, ...from }) => {
        if (from.kind === 'entry-point') return { path, namespace: 'entry' };
        if (pluginData === resolving || isBuiltin(path)) return undefined;
        if (packageOf(path) in NOT_BUNDLED) return { path, external: true };
        const found = await resolve(path, { ...from, pluginData: resolving });
        // An optional dependency that is not installed: its importer deals with that at run time.
        return found.errors.length > 0 ? { path, external: true } : found;
      });
      onLoad({ filter: /.*/, namespace: 'entry' }, ({ path }) => ({ contents: contents[path], resolveDir: ROOT }));
    },
  };
}

/** `@ipld/car/writer` → `@ipld/car` */
function packageOf(name) {
  return name.split('/', name.startsWith('@') ? 2 : 1).join('/');
}

/** @returns where the bundle of a name goes, without `.js` */
function fileOf(name) {
  return name === packageOf(name) ? `${name}/index` : name;
}
