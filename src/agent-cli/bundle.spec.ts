import { describe, expect, it } from '@jest/globals';
import { plan } from './bundle.js';
import { UsageError } from './command.js';

const planned = (files: string[], wholeLibrary = false) => plan({ name: 'bundle', files, wholeLibrary });

describe('what npm run agent -- bundle makes of its files', () => {
  it('is a binary in the current folder under the name of the script, unless one is named', () => {
    expect(planned(['folder/agent.js'])).toMatchObject({ script: 'folder/agent.js', beside: [], target: 'agent.wasm' });
    expect(planned(['agent.rb', 'my.wasm'])).toMatchObject({ beside: [], target: 'my.wasm' });
    expect(planned(['agent.py', 'helper.py', 'vendor', 'my.wasm'], true)).toMatchObject({
      beside: ['helper.py', 'vendor'],
      target: 'my.wasm',
      options: ['--whole-library'],
    });
  });

  it.each([
    [['agent.pl'], false, '"agent.pl" cannot be bundled. Known file extensions: .py, .js, .rb.'],
    [['agent.js', 'more.js'], false, 'What is "more.js"? A script in .js is bundled alone'],
    [['agent.rb', 'more.rb', 'my.wasm'], false, 'What is "more.rb"?'],
    [['agent.js', 'my-binary'], false, "The binary's name ends in .wasm."],
    [['agent.js'], true, '--whole-library is for Python scripts only.'],
    [['agent.py', 'no/such/folder/my.wasm'], false, 'There is no folder no/such/folder to write my.wasm to'],
  ])('is refused for %j', (files, wholeLibrary, message) => {
    expect(() => planned(files, wholeLibrary)).toThrow(UsageError);
    expect(() => planned(files, wholeLibrary)).toThrow(message);
  });
});
