import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { jsonDepth, trimmedJson } from './json-text.js';
import { RawJson, stringify } from './raw-json.js';

const TEXT = '{"n": 9007199254740993, "n":1.0, "z":-0, "e":"\\u00e9"}';

describe('a raw JSON document', () => {
  it('is embedded as it is, among values and other documents', () => {
    const value = { before: 1, document: new RawJson(TEXT), list: [new RawJson('1e400'), 'text'], after: null };
    expect(stringify(value)).toBe(`{"before":1,"document":${TEXT},"list":[1e400,"text"],"after":null}`);
    expect(stringify(new RawJson(TEXT))).toBe(TEXT);
  });

  it('may hold what a replacement of text would take for a pattern', () => {
    expect(stringify({ a: new RawJson('"$& $1 $$"') })).toBe('{"a":"$& $1 $$"}');
  });

  it('is the parsed value to every other serialiser', () => {
    expect(JSON.stringify({ document: new RawJson('[1.0, 2]') })).toBe('{"document":[1,2]}');
  });

  it('is found again member by member and element by element, as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const document = new RawJson(JSON.stringify(value, null, ' '));
        const members = document.members();
        const elements = document.elements();
        const isArray = Array.isArray(value);
        const isObject = typeof value === 'object' && value !== null && !isArray;
        expect(elements?.map((element) => element.parse())).toEqual(isArray ? document.parse() : undefined);
        const found = members && Object.fromEntries([...members].map(([name, member]) => [name, member.parse()]));
        expect(found).toEqual(isObject ? document.parse() : undefined);
      }),
    );
  });

  it('has of two members with one name the last, however it is spelt', () => {
    const members = new RawJson('{"input":1,"\\u0069nput" : [2] }').members();
    expect(members?.get('input')?.text).toBe('[2]');
  });
});

describe('a JSON text', () => {
  it.each([
    ['1', 0],
    ['"[[["', 0],
    ['[]', 1],
    ['{"a":[{"b":"\\"]"}],"c":[]}', 3],
  ])('%s nests %i deep', (text, depth) => expect(jsonDepth(text)).toBe(depth));

  it('is trimmed of the white space around it alone', () => {
    expect(trimmedJson(' \t[ 1 ]\r\n')).toBe('[ 1 ]');
  });
});
