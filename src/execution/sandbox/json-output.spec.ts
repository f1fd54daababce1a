import { describe, expect, it } from '@jest/globals';
import { outputFault } from './json-output.js';

const faultOf = (output: string | Uint8Array) => outputFault(Buffer.from(output as string));

describe("an agent's output", () => {
  it.each([
    '{"a":[1,-2.5e3,"x\\n\\"\\\\u0000","\\ud83d\\ude00"]}',
    ' 0\n',
    'null',
    '[]',
    // Nothing on the way looks inside, so nothing is lost by these.
    '[9007199254740993,1.0,-0,1e1000]',
    '["\\u0000","\\ud800"]',
  ])('is good when it is one JSON document: %s', (text) => expect(faultOf(text)).toBeUndefined());

  it.each([
    ['', 'there is no output'],
    ['{"a":', 'not JSON: it is incomplete'],
    ['{} {}', 'not JSON: "{" is unexpected at byte 3'],
    ['\ufeff{}', 'not JSON: it begins with a byte order mark'],
    ['\u00a0{}', 'not JSON: byte 0xc2 is unexpected at byte 0'],
    [Buffer.from([0x22, 0xff, 0x22]), 'not JSON: it is not UTF-8'],
    ['['.repeat(600) + ']'.repeat(600), 'not JSON: it nests deeper than 512 levels, at byte 512'],
    ['['.repeat(2_000_000), 'not JSON: it nests deeper than 512 levels, at byte 512'],
  ])('is refused otherwise, in words: %s', (output, fault) => expect(faultOf(output)).toBe(fault));
});
