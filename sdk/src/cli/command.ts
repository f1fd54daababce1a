import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { Context } from './context.js';
import { UsageError, type Values } from './usage.js';

export interface Option {
  type: 'string' | 'boolean';
  short?: string;
  multiple?: boolean;
  /** What a value is, for the help, such as `FILE`. */
  value?: string;
  help: string;
}

/** One command of the command line. */
export interface Command {
  /** One or two words, such as `tasks submit`. */
  name: string;
  /** Operands for the help, such as `TASK`; those in brackets may be left out. */
  operands?: string;
  summary: string;
  options?: Record<string, Option>;
  /** @returns the exit code; undefined: 0 */
  run(context: Context): Promise<number | void>;
}

export const GLOBAL_OPTIONS: Record<string, Option> = {
  profile: { type: 'string', value: 'NAME', help: 'use the login of this profile (ZEROSTATE_PROFILE)' },
  url: { type: 'string', value: 'URL', help: 'address of the server (ZEROSTATE_URL)' },
  json: { type: 'boolean', help: 'answer in JSON, for programs' },
  help: { type: 'boolean', short: 'h', help: 'show this text' },
};

/**
 * Finds the command and parses its operands and options.
 * @returns the command; undefined with the words that name none
 * @throws UsageError
 */
export function parseCommandLine(args: string[], commands: readonly Command[]) {
  const words = args.slice(0, 2).filter((word) => !word.startsWith('-'));
  const command =
    commands.find(({ name }) => name === words.join(' ')) ?? commands.find(({ name }) => name === words[0]);
  if (!command) return { command: undefined, words, values: {}, operands: [] };
  const rest = args.slice(command.name.split(' ').length);
  const { values, positionals } = parse(rest, { ...GLOBAL_OPTIONS, ...command.options });
  if (!values.help) checkOperands(command, positionals);
  return { command, words, values, operands: positionals };
}

function parse(args: string[], options: Record<string, Option>): { values: Values; positionals: string[] } {
  const known = Object.entries(options).map(([name, { type, short, multiple }]) => [
    name,
    { type, ...(short && { short }), ...(multiple && { multiple }) },
  ]);
  try {
    const config = { args, options: Object.fromEntries(known) as ParseArgsConfig['options'], allowPositionals: true };
    return parseArgs(config) as { values: Values; positionals: string[] };
  } catch (error) {
    // Its messages end with advice about positional arguments that fits no option here.
    throw new UsageError((error as Error).message.replace(/\. To specify a positional argument[^]*$/, '.'));
  }
}

function checkOperands({ name, operands = '' }: Command, given: string[]): void {
  const names = operands.split(' ').filter(Boolean);
  const required = names.filter((operand) => !operand.startsWith('['));
  if (given.length < required.length)
    throw new UsageError(`${required[given.length]} is missing: zerostate ${name} ${operands}`);
  if (given.length > names.length && !operands.includes('…'))
    throw new UsageError(`"${given[names.length]}" is unexpected: zerostate ${name} ${operands}`.trimEnd());
}

/** The help of one command. */
export function helpOf({ name, operands, summary, options = {} }: Command): string {
  return [
    `Usage: zerostate ${[name, operands].filter(Boolean).join(' ')} [options]`,
    '',
    summary,
    '',
    ...optionLines({ ...options, ...GLOBAL_OPTIONS }),
  ].join('\n');
}

/** The list of commands, or of those that begin with a word. */
export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name, operands = '' }) => `${name} ${operands}`.length));
  return [
    'Usage: zerostate COMMAND [options]',
    '',
    ...commands.map(({ name, operands = '', summary }) => `  ${`${name} ${operands}`.padEnd(width)}  ${summary}`),
    '',
    ...optionLines(GLOBAL_OPTIONS),
    '',
    'zerostate COMMAND --help shows the options of a command.',
    'Exit code: 0 done, 1 refused or failed, 2 wrong usage, 3 not logged in, 4 the server cannot be reached.',
  ].join('\n');
}

function optionLines(options: Record<string, Option>): string[] {
  const names = Object.entries(options).map(([name, { short, type, value = 'TEXT' }]) =>
    [`${short ? `-${short}, ` : ''}--${name}`, type === 'string' ? value : ''].join(' ').trimEnd(),
  );
  const width = Math.max(...names.map((name) => name.length));
  return Object.values(options).map(({ help }, index) => `  ${names[index].padEnd(width)}  ${help}`);
}
