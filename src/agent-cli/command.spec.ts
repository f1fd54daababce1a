import { describe, expect, it } from '@jest/globals';
import { parseCommand, UsageError } from './command.js';

describe('the command line of npm run agent', () => {
  it('runs with an empty object as input unless told otherwise', () => {
    expect(parseCommand(['run', 'a.wasm'])).toEqual({
      name: 'run',
      file: 'a.wasm',
      input: '{}',
      timeoutMs: undefined,
      limits: undefined,
      calls: {},
      json: false,
    });
  });

  it('takes standard input, a time limit and JSON answers', () => {
    const command = parseCommand(['run', 'a.wasm', '--input', '-', '--timeout', '250', '--json']);
    expect(command).toMatchObject({ input: '-', timeoutMs: 250, json: true });
  });

  it.each([[[]], [['--help']], [['validate', 'a.wasm', '-h']]])('explains itself when given %j', (args) => {
    expect(parseCommand(args)).toBe('help');
  });

  it('takes what a version may call, what its task allows, and the files of host calls', () => {
    const files = ['--permissions', '{"kv":{}}', '--state', 's.json', '--mock', 'm.json', '--record', 'r.json'];
    expect(parseCommand(['run', 'a.wasm', ...files, '--allow', 'kv, llm'])).toMatchObject({
      calls: { permissions: '{"kv":{}}', state: 's.json', mock: 'm.json', record: 'r.json', allow: ['kv', 'llm'] },
    });
    expect(parseCommand(['run', 'a.wasm', ...files, '--allow', 'none'])).toMatchObject({ calls: { allow: [] } });
  });

  it.each([
    [['run', 'a.wasm', '--permissions', '{}', '--allow', 'files'], 'some of http,llm,kv,ask,tasks; not "files"'],
    [['run', 'a.wasm', '--mock', 'm.json'], '--mock needs --permissions'],
    [['validate', 'a.wasm', '--permissions', '{}'], 'validate takes no --permissions.'],
    [['build', 'a.wasm'], 'Unknown command "build".'],
    [['run'], 'npm run agent -- run FILE.wasm'],
    [['run', 'a.wasm', 'b.wasm'], '"b.wasm" is unexpected'],
    [['run', 'a.wasm', '--timeout', '0'], 'above 0'],
    [['run', 'a.wasm', '--timeout', '1.5'], 'whole number'],
    [['run', 'a.wasm', '--memory', '1'], '--memory'],
    [['run', 'a.wasm', '--whole-library'], 'run takes no --whole-library.'],
    [['validate', 'a.wasm', '--timeout', '5'], 'validate takes no --timeout.'],
    [['bundle', 'agent.js', '--json'], 'bundle takes no --json.'],
    [['constructor', 'a.wasm', '--json'], 'Unknown command "constructor".'],
  ])('says what is wrong about %j', (args, message) => {
    expect(() => parseCommand(args)).toThrow(UsageError);
    expect(() => parseCommand(args)).toThrow(message);
  });
});
