import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const FOLDER = fileURLToPath(new URL('../../../docs/decisions/', import.meta.url));
const INDEX = `${FOLDER}README.md`;

describe('the records of decisions', () => {
  const files = readdirSync(FOLDER)
    .filter((name) => /^\d/.test(name))
    .sort();
  const read = (name: string): string => readFileSync(FOLDER + name, 'utf8');

  it('begin with their number, a title and a status', () => {
    const odd = files.filter((name) => !/^# (\d+)\. \S.*\n\nStatus: \w.*\n/.test(read(name)) || !isNumbered(name));
    expect(odd).toEqual([]);
  });

  it('are all in the index; UPDATE_SNAPSHOTS=true writes that anew', () => {
    const rows = files.map((name) => {
      const [, number, title, status] = /^# (\d+)\. (.+)\n\nStatus: ([^\n]+?)\.?\n/.exec(read(name))!;
      return `| ${number} | [${title}](${name}) | ${status} |`;
    });
    const text = [HEADER, '| number | decision | status |', '| --- | --- | --- |', ...rows, '', unused(files)].join(
      '\n',
    );
    if (process.env.UPDATE_SNAPSHOTS === 'true') writeFileSync(INDEX, `${text}\n`);
    expect(plain(readFileSync(INDEX, 'utf8'))).toEqual(plain(text));
  });

  const isNumbered = (name: string): boolean => read(name).startsWith(`# ${Number(name.slice(0, 4))}. `);
});

const HEADER = `# Decisions

Why things are as they are: one record for each choice that others may question. A record has a number, a title, a status
(\`accepted\`, or \`superseded by\` another), the context, the decision, what was measured and what was given up. Its text is not changed
later, except for the status: a new record supersedes an old one.
`;

/** Numbers of one range that no record has. */
function unused(files: string[]): string {
  const numbers = files.map((name) => Number(name.slice(0, 4)));
  const gaps = numbers.slice(1).flatMap((number, index) => {
    const [first, last] = [numbers[index] + 1, number - 1];
    if (first > last) return [];
    return [first === last ? `${first}` : `${first}–${last}`];
  });
  return (
    'Numbers are given out in ranges to work that goes on at the same time, and not every range was used up. No record was ' +
    `removed. Unused: ${gaps.join(', ')}.`
  );
}

/** Without what the formatter adds to a table. */
const plain = (text: string): string[] =>
  text
    .trim()
    .split('\n')
    .map((line) => line.replace(/-+/g, '-').replace(/ +/g, ' '));
