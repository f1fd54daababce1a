import { parseArgs } from 'node:util';
import { CONSENT_KINDS, type ConsentKind } from '../common/permissions.js';

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
  calls: CallOptions;
  json: boolean;
}

/** How the host calls of a run are served. */
export interface CallOptions {
  /** What the version may call: a path, or JSON text as in an upload form; undefined: nothing. */
  permissions?: string;
  /** Kinds of permission that the task allows; undefined: all that the permissions name. */
  allow?: ConsentKind[];
  /** File that keeps the agent's state between runs; undefined: the state is empty and not kept. */
  state?: string;
  /** File of canned answers. */
  mock?: string;
  /** Answers to the questions of `input.ask`, in their order: JSON, or else text. */
  answers?: string[];
  /** File to write the calls to, with requests and answers. */
  record?: string;
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

  --input FILE|-|JSON       what the agent reads on standard input, for run (default {})
  --timeout MS              wall time of the run (default: TASK_TIMEOUT_MS)
  --limits JSON             limits of the version, as an upload takes them, for run
  --permissions FILE|JSON   what the agent may ask of the host, as an upload takes it, for run
  --allow KIND,…|none       what the task allows, of http, llm, kv, ask, tasks (default: all that the permissions name)
  --answer JSON|TEXT        answer to a question of input.ask; once for each question, in their order
  --mock FILE               answers to host calls: [{"method", "request"?, "answer"}, …]
  --record FILE             writes the host calls with their answers; --mock can read that file
  --state FILE              keeps the agent's state (kv) from run to run
  --json                    answer in JSON, for programs
  --whole-library           keep all of Python's library, for bundle
  --help                    this text

Host calls are served on this machine: kv in memory, output.emit on standard error, llm.chat by an echo that is no
model, http.fetch only from --mock, and input.ask from --answer, --mock or the terminal.
The limits are the server's: set SANDBOX_*, VALIDATION_*, MAX_* and TASK_TIMEOUT_MS to try others.
Exit code: 0 accepted or completed, 1 refused or failed, 2 wrong usage.`;

/** The command line does not match USAGE; the message says why. */
export class UsageError extends Error {}

/** A server would refuse the binary; the message says why. */
export class AgentRefused extends Error {}

/** The options of each command, beside `--help`. */
const OPTIONS: Record<string, string[]> = {
  run: ['input', 'timeout', 'limits', 'json', 'permissions', 'allow', 'answer', 'state', 'mock', 'record'],
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
  const { input = '{}', limits, json = false } = values;
  return { name, file, input, timeoutMs, limits, calls: callOptions(values), json };
}

const CALL_OPTIONS = ['allow', 'answer', 'state', 'mock', 'record'] as const;

function callOptions(values: ReturnType<typeof parsed>['values']): CallOptions {
  const { permissions, state, mock, record } = values;
  const useless = CALL_OPTIONS.find((name) => values[name] !== undefined && permissions === undefined);
  if (useless) throw new UsageError(`--${useless} needs --permissions: without permissions an agent calls nothing.`);
  const allow = values.allow === undefined ? undefined : kinds(values.allow);
  return { permissions, allow, answers: values.answer, state, mock, record };
}

function kinds(list: string): ConsentKind[] {
  if (list === 'none') return [];
  return list.split(',').map((name) => {
    const kind = CONSENT_KINDS.find((known) => known === name.trim());
    if (!kind) throw new UsageError(`--allow takes none, or some of ${CONSENT_KINDS.join(',')}; not "${name}".`);
    return kind;
  });
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
        permissions: { type: 'string' },
        allow: { type: 'string' },
        answer: { type: 'string', multiple: true },
        state: { type: 'string' },
        mock: { type: 'string' },
        record: { type: 'string' },
        json: { type: 'boolean' },
        'whole-library': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
