import { createInterface } from 'node:readline/promises';
import { text as readAll } from 'node:stream/consumers';
import { UsageError } from './usage.js';

/** Control characters in names and logs of others could change what the terminal shows. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** @returns text that a terminal shows as it is */
export const printable = (text: string): string => text.replace(CONTROL, '�');

/** Writes results to standard output and everything else to standard error. */
export const print = (text: string): void => void process.stdout.write(`${printable(text)}\n`);
export const printJson = (value: unknown, indent?: number): void =>
  void process.stdout.write(`${JSON.stringify(value, null, indent)}\n`);
export const note = (text: string): void => void process.stderr.write(`${printable(text)}\n`);

/**
 * Lines up rows under their header.
 * @param left number of columns, from the first, that are aligned left; figures follow
 */
export function table(header: string[], rows: (string | number | null | undefined)[][], left = header.length): string {
  const cells = [header, ...rows].map((row) => row.map((cell) => printable(String(cell ?? '–')).replace(/\n/g, ' ')));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const lines = cells.map((row) =>
    row
      .map((cell, at) => (at < left ? cell.padEnd(widths[at]) : cell.padStart(widths[at])))
      .join('  ')
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => '─'.repeat(width)).join('  '));
  return lines.join('\n');
}

export const size = (bytes: number): string =>
  bytes < 1024
    ? `${bytes} B`
    : bytes < 2 ** 20
      ? `${(bytes / 1024).toFixed(1)} KiB`
      : `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** @returns what shows progress on a terminal; elsewhere it shows nothing */
export function progressBar(label: string): (sent: number, total: number) => void {
  if (!process.stderr.isTTY) return () => undefined;
  const width = 30;
  return (sent, total) => {
    const share = total > 0 ? sent / total : 1;
    const filled = Math.round(share * width);
    const bar = '█'.repeat(filled) + '░'.repeat(width - filled);
    process.stderr.write(`\r${label} ${bar} ${Math.round(share * 100)} % of ${size(total)}${share === 1 ? '\n' : ''}`);
  };
}

/** @returns what a person types. @throws UsageError where no person is */
export async function ask(question: string): Promise<string> {
  assertTerminal(question);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  return lines.question(question).finally(() => lines.close());
}

export const confirm = async (question: string): Promise<boolean> =>
  /^y(es)?$/i.test((await ask(`${question} [y/N] `)).trim());

/** As `ask`, but shows nothing of what is typed. */
export async function askSecretly(question: string): Promise<string> {
  assertTerminal(question);
  process.stderr.write(question);
  process.stdin.setRawMode(true);
  process.stdin.resume();
  let typed = '';
  try {
    for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
      for (const character of chunk.toString()) {
        if (character === '\r' || character === '\n') return typed;
        if (character === '\u0003' || character === '\u0004') throw new UsageError('Interrupted.');
        typed = character === '\u007f' ? typed.slice(0, -1) : typed + character;
      }
    }
    return typed;
  } finally {
    process.stdin.setRawMode(false);
    process.stdin.pause();
    process.stderr.write('\n');
  }
}

/** @returns standard input without its last line break */
export const standardInput = async (): Promise<string> => (await readAll(process.stdin)).replace(/\r?\n$/, '');

function assertTerminal(question: string): void {
  if (!process.stdin.isTTY) throw new UsageError(`There is no terminal to ask on: "${question.trim()}".`);
}
