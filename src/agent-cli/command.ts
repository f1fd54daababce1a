import { parseArgs } from 'node:util';

/** A parsed command line. */
export interface Command {
  name: 'run' | 'validate';
  file: string;
  /** A path, `-` for standard input, or JSON text. */
  input: string;
  /** ms; undefined: the server's default. */
  timeoutMs?: number;
  /** JSON text, as in an upload form; undefined: the server's limits. */
  limits?: string;
  json: boolean;
}

/** Builds an agent from a script. */
export interface BundleCommand {
  name: 'bundle';
  /** The script first. */
  files: string[];
  /** Keeps library modules that the script does not seem to need. Python only. */
  wholeLibrary: boolean;
}

export const USAGE = `Usage: npm run agent -- <command> FILE.wasm [options]
       npm run agent -- bundle SCRIPT [MODULE …] [FILE.wasm]

  bundle     makes a binary of a script in Python (.py), JavaScript (.js) or Ruby (.rb), and checks it as an upload does
  validate   checks the binary as an upload does
  run        checks it, then runs it once in the sandbox

  --input FILE|-|JSON   what the agent reads on standard input, for run (default {})
  --timeout MS          wall time of the run (default: TASK_TIMEOUT_MS)
  --limits JSON         limits of the version, as an upload takes them, for run
  --json                answer in JSON, for programs
  --whole-library       keep all of Python's library, for bundle
  --help                this text

The limits are the server's: set SANDBOX_*, VALIDATION_*, MAX_* and TASK_TIMEOUT_MS to try others.
Exit code: 0 accepted or completed, 1 refused or failed, 2 wrong usage.`;

/** The command line does not match USAGE; the message says why. */
export class UsageError extends Error {}

/** A server would refuse the binary; the message says why. */
export class AgentRefused extends Error {}

/** The options of each command, beside `--help`. */
const OPTIONS: Record<string, string[]> = {
  run: ['input', 'timeout', 'limits', 'json'],
  validate: ['json'],
  bundle: ['whole-library'],
};

/** @throws UsageError */
export function parseCommand(args: string[]): Command | BundleCommand | 'help' {
  const { values, positionals } = parsed(args);
  if (values.help || args.length === 0) return 'help';
  const [name, file, ...more] = positionals;
  const own = Object.hasOwn(OPTIONS, name ?? '') ? OPTIONS[name] : undefined;
  const foreign = own && Object.keys(values).find((option) => !own.includes(option));
  if (foreign) throw new UsageError(`${name} takes no --${foreign}.`);
  if (name === 'bundle') {
    if (!file) throw new UsageError('Name the script: npm run agent -- bundle agent.py');
    return { name, files: [file, ...more], wholeLibrary: values['whole-library'] ?? false };
  }
  if (name !== 'run' && name !== 'validate') throw new UsageError(`Unknown command "${name ?? ''}".`);
  if (!file) throw new UsageError(`Name the binary: npm run agent -- ${name} FILE.wasm`);
  if (more.length > 0) throw new UsageError(`Give one binary only; "${more[0]}" is unexpected.`);
  const timeoutMs = values.timeout === undefined ? undefined : Number(values.timeout);
  if (timeoutMs !== undefined && !(Number.isInteger(timeoutMs) && timeoutMs > 0)) {
    throw new UsageError('--timeout takes a whole number of milliseconds above 0.');
  }
  return { name, file, input: values.input ?? '{}', timeoutMs, limits: values.limits, json: values.json ?? false };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        input: { type: 'string' },
        timeout: { type: 'string' },
        limits: { type: 'string' },
        json: { type: 'boolean' },
        'whole-library': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
