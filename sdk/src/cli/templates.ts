import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { examplesFolder } from './agent-tool.js';
import { UsageError } from './usage.js';
import type { Manifest } from './project.js';

interface Template {
  /** Copied from the examples into the project. */
  files: { from: string; to: string }[];
  sample: object;
  /** How the project is built. */
  manifest: (folder: string) => Pick<Manifest, 'source' | 'build'>;
  /** Needed before the first build. */
  setUp?: string;
  packages?: Record<string, string>;
}

const script = (language: string, file: string, sample: object): Template => ({
  files: [{ from: `${language}/${file}`, to: file }],
  sample,
  manifest: () => ({ source: file }),
});

const compiled = (language: string, library: string, file: string): Pick<Template, 'files' | 'sample'> => ({
  files: [
    { from: `template-${language}/${file}`, to: `src/${file}` },
    { from: `lib/${library}`, to: `lib/${library}` },
  ],
  sample: { name: 'Ada' },
});

const ASC = 'node_modules/.bin/asc';
const ASC_SHIM = 'node_modules/@assemblyscript/wasi-shim/asconfig.json';

const TEMPLATES: Record<string, Template> = {
  javascript: script('javascript', 'agent.js', { text: 'to be or not to be' }),
  python: script('python', 'agent.py', { text: 'to be or not to be' }),
  ruby: script('ruby', 'agent.rb', { name: 'Ada' }),
  c: {
    ...compiled('c', 'c', 'agent.c'),
    manifest: (folder) => {
      const library = readdirSync(join(folder, 'lib/c')).filter((name) => name.endsWith('.c'));
      const sources = ['src/agent.c', ...library.map((name) => `lib/c/${name}`)];
      const linking = ['--strip-all', '--gc-sections', '--stack-first', '-z,stack-size=262144'].map(
        (it) => `-Wl,${it}`,
      );
      return {
        build: [
          'clang',
          '--target=wasm32-wasi',
          '-std=c11',
          '-Os',
          '-flto',
          ...sources,
          ...linking,
          '-o',
          'agent.wasm',
        ],
      };
    },
  },
  rust: {
    ...compiled('rust', 'rust', 'main.rs'),
    manifest: () => {
      // Debian's compiler has the target by its old name; rustup has it by the new one.
      const isDebian = existsSync('/usr/lib/rustlib/wasm32-wasi');
      const compiler = isDebian ? ['/usr/bin/rustc', '--target=wasm32-wasi'] : ['rustc', '--target=wasm32-wasip1'];
      const options = ['opt-level=z', 'lto=fat', 'panic=abort', 'codegen-units=1', 'strip=symbols'].map(
        (it) => `-C${it}`,
      );
      return { build: [...compiler, '--edition=2021', ...options, 'src/main.rs', '-o', 'agent.wasm'] };
    },
  },
  assemblyscript: {
    ...compiled('assemblyscript', 'assemblyscript', 'index.ts'),
    manifest: () => ({ build: [ASC, 'src/index.ts', '-Ospeed', '--config', ASC_SHIM, '--outFile', 'agent.wasm'] }),
    setUp: 'npm install',
    packages: { assemblyscript: '0.28.20', '@assemblyscript/wasi-shim': '0.1.0' },
  },
};

export const LANGUAGES = Object.keys(TEMPLATES);

/**
 * Makes a project in a folder that is empty or does not exist.
 * @returns what to run before the first build, if anything
 * @throws UsageError
 */
export function createProject(folder: string, language: string, slug = basename(resolve(folder))): string | undefined {
  const template = Object.hasOwn(TEMPLATES, language) ? TEMPLATES[language] : undefined;
  if (!template) throw new UsageError(`There is no template for "${language}": ${LANGUAGES.join(', ')}.`);
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new UsageError(`${folder} is not empty.`);
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(slug))
    throw new UsageError(
      `"${slug}" cannot name an agent: use lower-case letters, digits and dashes. Set it by --name.`,
    );
  mkdirSync(folder, { recursive: true });
  const examples = examplesFolder();
  for (const { from, to } of template.files) cpSync(join(examples, from), join(folder, to), { recursive: true });
  const manifest: Manifest = {
    slug,
    name: slug,
    description: `Says what ${slug} does.`,
    version: '0.1.0',
    capabilities: [slug],
    price: '0.10',
    ...template.manifest(folder),
    binary: 'agent.wasm',
    sample: 'sample-input.json',
  };
  const writeJson = (name: string, value: object) =>
    writeFileSync(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
  writeJson('agent.json', manifest);
  writeJson('sample-input.json', template.sample);
  if (template.packages) writeJson('package.json', { private: true, devDependencies: template.packages });
  writeFileSync(join(folder, '.gitignore'), 'agent.wasm\nnode_modules/\n.zerostate/\n');
  return template.setUp;
}
