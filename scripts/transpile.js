/** Compiles one TypeScript file for Jest, without checking types. `isolatedModules` keeps the sources fit for that. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import { ROOT } from './preflight.js';

const CONFIG = `${ROOT}tsconfig.json`;
const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(CONFIG, ts.sys.readFile).config, ts.sys, ROOT);
const compilerOptions = {
  ...options,
  // `nodenext` would look up package.json, which a single file does not have.
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  incremental: false,
  sourceMap: false,
  inlineSourceMap: true,
  inlineSources: true,
};

const OWN_VERSION = [fileURLToPath(import.meta.url), CONFIG].map((file) => readFileSync(file, 'utf8')).join('');

export default {
  /** @returns the key under which Jest caches the compiled file */
  getCacheKey: (source, file) =>
    createHash('sha256').update([ts.version, OWN_VERSION, file, source].join('\0')).digest('hex'),

  process(source, file) {
    const { outputText } = ts.transpileModule(source, { compilerOptions, fileName: file });
    // Paths that a file derives from its own address are meant from where the build puts it.
    return { code: outputText.replaceAll('import.meta.url', JSON.stringify(builtAddress(file))) };
  },
};

const builtAddress = (file) => pathToFileURL(`${ROOT}dist-test/${relative(ROOT, file).replace(/\.ts$/, '.js')}`).href;
