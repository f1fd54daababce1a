import { describe, expect, it } from '@jest/globals';
import { readJsonOutput } from './json-output.js';

const read = (text: string | Uint8Array) => readJsonOutput(Buffer.from(text as string));

describe("an agent's output", () => {
  it.each(['{"a":[1,-2.5e3,"x\\n\\"\\\\u0000","\\ud83d\\ude00"]}', '0', 'null', `"${'e9999'.repeat(3)}"`, '[]'])(
    'is passed on as it is: %s',
    (text) => expect(read(` ${text}\n`)).toEqual({ text }),
  );

  it.each([
    ['', 'there is no output'],
    ['{"a":', 'not JSON: '],
    ['{} {}', 'not JSON: '],
    [Buffer.from([0x22, 0xff, 0x22]), 'not UTF-8'],
    ['["\\u0000"]', 'a string contains NUL'],
    ['{"\\u0000":1}', 'a string contains NUL'],
    ['["\\\\\\u0000"]', 'a string contains NUL'],
    ['["\\ud800"]', 'a string contains half a surrogate pair'],
    ['["\\ude00\\ud83d"]', 'a string contains half a surrogate pair'],
    ['[1e1000]', 'a number is out of range'],
    ['[9e999]', 'a number is out of range'],
    ['{"x":-1.5e309}', 'a number is out of range'],
    [`[1${'0'.repeat(400)}]`, 'a number is out of range'],
    ['['.repeat(600) + ']'.repeat(600), 'nested deeper than 512 levels'],
  ])('is refused when no database could keep it: %s', (output, fault) => {
    expect(read(output)).toEqual({ fault: expect.stringContaining(fault) });
  });

  it('is quoted where it is no JSON, in a text that any database keeps', () => {
    expect(read('😀')).toEqual({ fault: `not JSON: Unexpected token '\u{fffd}', "😀" is not valid JSON` });
  });

  it('may be megabytes of nesting or of strings without overflowing a stack or taking for ever', () => {
    const strings = JSON.stringify(Array.from({ length: 300_000 }, (_, index) => `item ${index}`));
    expect(read(strings)).toEqual({ text: strings });
    expect(read('['.repeat(2_000_000))).toHaveProperty('fault');
  });
});
