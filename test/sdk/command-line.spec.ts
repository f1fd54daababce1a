import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import { type Command, helpOf, overview, parseCommandLine } from '../../sdk/src/cli/command.js';
import { COMMANDS } from '../../sdk/src/cli/commands/index.js';
import { memberOf } from '../../sdk/src/cli/commands/tasks.js';
import { exitCodeOf, messageOf } from '../../sdk/src/cli/failure.js';
import { permissionDiff } from '../../sdk/src/cli/permission-diff.js';
import { printable, table } from '../../sdk/src/cli/terminal.js';
import { UsageError } from '../../sdk/src/cli/usage.js';
import { ApiError, ConnectionError } from '../../sdk/src/errors.js';

const parse = (...args: string[]) => parseCommandLine(args, COMMANDS);

describe('the command line of zerostate', () => {
  it('finds commands of one and of two words, with operands and options anywhere', () => {
    expect(parse('tasks', 'submit', '-c', 'a', '--capability', 'b', '--budget', '1')).toMatchObject({
      command: { name: 'tasks submit' },
      values: { capability: ['a', 'b'], budget: '1' },
    });
    expect(parse('secrets', 'my-agent', '--json')).toMatchObject({
      command: { name: 'secrets' },
      operands: ['my-agent'],
      values: { json: true },
    });
    expect(parse('init').operands).toEqual([]);
  });

  it.each([
    [['tasks', 'cancel'], 'TASK is missing: zerostate tasks cancel TASK'],
    [['tasks', 'cancel', 'a', 'b'], '"b" is unexpected: zerostate tasks cancel TASK'],
    [['login', '--password', 'x'], "Unknown option '--password'."],
    [['tasks', 'submit', '--budget'], '--budget'],
  ])('says what is wrong with %j', (args, message) => {
    expect(() => parse(...args)).toThrow(UsageError);
    expect(() => parse(...args)).toThrow(message);
  });

  it('describes every command, and no option of another meaning', () => {
    const text = overview(COMMANDS);
    for (const command of COMMANDS) {
      expect(text).toContain(`  ${command.name}`);
      expect(helpOf(command)).toContain('--profile NAME');
    }
  });

  it('completes commands, their second words and their options in bash', async () => {
    const script = await written(COMMANDS.find(({ name }) => name === 'completion')!);
    const complete = (...words: string[]) => {
      const line = `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _zerostate`;
      const { stdout, stderr } = spawnSync('bash', ['-c', `${script}\n${line}; echo "\${COMPREPLY[*]}"`], {
        encoding: 'utf8',
      });
      expect(stderr).toBe('');
      return stdout.trim().split(' ');
    };
    expect(complete('zerostate', 'depl')).toEqual(['deploy']);
    expect(complete('zerostate', 'auction', '')).toEqual(['show', 'simulate']);
    expect(complete('zerostate', 'tasks', 'logs', '--f')).toEqual(['--follow']);
    expect(complete('zerostate', 'deploy', 'folder', '--ac')).toEqual(['--activate']);
  });

  /** What a command writes to standard output. */
  async function written(command: Command): Promise<string> {
    const write = process.stdout.write;
    let text = '';
    process.stdout.write = ((chunk: string) => ((text += chunk), true)) as typeof write;
    try {
      await command.run({ operands: ['bash'] } as never);
    } finally {
      process.stdout.write = write;
    }
    return text;
  }
});

describe('what zerostate prints', () => {
  it('takes a result out of an answer byte for byte', () => {
    const answer =
      '{"id":"a","note":"\\"result\\":{","more":{"result":1},"result": {"n":9007199254740993,"x":[1.0,"]}"]} ,"cost":1}';
    expect(memberOf(answer, 'result')).toBe('{"n":9007199254740993,"x":[1.0,"]}"]}');
    expect(memberOf('{"result":1e400}', 'result')).toBe('1e400');
  });

  it('compares permissions by each host, method and model', () => {
    const had = { http: { hosts: ['a.test'] }, kv: {} };
    const wanted = { http: { hosts: ['a.test', 'b.test'], methods: ['GET' as const, 'POST' as const] }, ask: true };
    expect(permissionDiff(had, wanted)).toEqual({
      added: ['http: host b.test', 'http: method POST', 'ask'],
      removed: ['kv'],
    });
    expect(permissionDiff(null, null)).toEqual({ added: [], removed: [] });
  });

  it('shows control characters of others instead of obeying them', () => {
    expect(printable('a\u001b[2Jb')).toBe('a�[2Jb');
    expect(table(['name', 'n'], [['\u001b]0;x\u0007', 1]], 1)).not.toContain('\u001b');
  });

  it('has an exit code and advice for each kind of failure', () => {
    const signedOut = new ApiError(401, { code: 'TOKEN_INVALID', detail: 'The token is invalid.' });
    const errors = [new ApiError(404, {}), new UsageError('x'), signedOut, new ConnectionError('UNREACHABLE', 'Away.')];
    expect(errors.map(exitCodeOf)).toEqual([1, 2, 3, 4]);
    expect(messageOf(signedOut)).toBe('The token is invalid. (TOKEN_INVALID)\nLog in with: zerostate login');
    const fields = [{ field: 'budget', message: 'must be positive' }];
    expect(messageOf(new ApiError(400, { code: 'VALIDATION_FAILED', detail: 'Bad.', errors: fields }))).toContain(
      '  budget must be positive',
    );
  });
});
