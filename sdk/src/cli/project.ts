import { existsSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { VersionForm } from '../upload.js';
import { runAgentTool, runProgram } from './agent-tool.js';
import { UsageError } from './usage.js';

/** `agent.json`: what a project is and how it is built. All but its first part goes into the upload. */
export interface Manifest extends VersionForm {
  slug: string;
  /** A script that is bundled: .js, .py or .rb. */
  source?: string;
  /** Python modules and packages that go with the script. */
  modules?: string[];
  /** A command that makes the binary; instead of `source`. */
  build?: string[];
  binary: string;
  /** The input of local runs: a file. */
  sample?: string;
  /** Canned answers to host calls of local runs: a file. */
  mocks?: string;
}

const LOCAL_MEMBERS = ['slug', 'source', 'modules', 'build', 'binary', 'sample', 'mocks', '$schema'];
const UPLOADED_MEMBERS = [
  ...['name', 'description', 'version', 'capabilities', 'price', 'price_per_kb', 'surge', 'max_concurrency', 'region'],
  ...['expected_duration_ms', 'limits', 'permissions', 'input_schema', 'output_schema'],
];

/** @throws UsageError when there is none, or it has a mistake */
export function readManifest(folder: string): Manifest {
  const file = join(folder, 'agent.json');
  if (!existsSync(file))
    throw new UsageError(`There is no agent.json in ${folder}. Make a project with: zerostate init`);
  let manifest: Manifest;
  try {
    manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${(error as Error).message}`);
  }
  for (const name of ['slug', 'binary'] as const) {
    if (typeof manifest[name] !== 'string') throw new UsageError(`${file} needs "${name}".`);
  }
  const unknown = Object.keys(manifest).find((name) => ![...LOCAL_MEMBERS, ...UPLOADED_MEMBERS].includes(name));
  if (unknown !== undefined) throw new UsageError(`${file} has the unknown member "${unknown}".`);
  return manifest;
}

/** What of a manifest a server takes. */
export const formOf = (manifest: Manifest): VersionForm =>
  Object.fromEntries(Object.entries(manifest).filter(([name]) => UPLOADED_MEMBERS.includes(name)));

/**
 * Makes the binary. A project without `source` and `build` is built elsewhere.
 * @returns whether it is there; the reason is already printed
 */
export async function build(folder: string, manifest: Manifest, signal?: AbortSignal): Promise<boolean> {
  const { source, modules = [], build: command, binary } = manifest;
  const options = { cwd: folder, signal, quiet: true };
  if (source !== undefined) {
    if (extname(source) !== '.py' && modules.length > 0) throw new UsageError('"modules" are for Python scripts only.');
    return (await runAgentTool(['bundle', source, ...modules, binary], options)) === 0;
  }
  if (command === undefined) return true;
  return (await runProgram(command[0], command.slice(1), options)) === 0;
}
