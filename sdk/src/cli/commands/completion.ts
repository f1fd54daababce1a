import { type Command, GLOBAL_OPTIONS } from '../command.js';
import { UsageError } from '../usage.js';

/** Prints a script that completes commands and options in a shell. */
export const completionCommand = (commands: readonly Command[]): Command => ({
  name: 'completion',
  operands: 'bash|zsh|fish',
  summary: 'Prints a completion script: source <(zerostate completion bash)',
  run: async ({ operands: [shell] }) => {
    const script = { bash: bash(commands), zsh: zsh(commands), fish: fish(commands) }[shell];
    if (!script) throw new UsageError(`There is no completion for "${shell}": bash, zsh or fish.`);
    process.stdout.write(script);
  },
});

const optionsOf = ({ options = {} }: Command): string[] =>
  [...Object.keys(options), ...Object.keys(GLOBAL_OPTIONS)].map((name) => `--${name}`);

/** What may follow each beginning: the words of commands, then their options. */
function followers(commands: readonly Command[]): Map<string, string[]> {
  const after = new Map<string, Set<string>>([['', new Set(['completion'])]]);
  const add = (beginning: string, words: string[]) =>
    after.set(beginning, new Set([...(after.get(beginning) ?? []), ...words]));
  for (const command of commands) {
    const [first, second] = command.name.split(' ');
    add('', [first]);
    if (second) add(first, [second]);
    add(command.name, optionsOf(command));
  }
  return new Map([...after].map(([beginning, words]) => [beginning, [...words]]));
}

function bash(commands: readonly Command[]): string {
  const cases = [...followers(commands)].map(
    ([beginning, words]) => `    '${beginning}') words='${words.join(' ')}' ;;`,
  );
  return `_zerostate() {
  local current=\${COMP_WORDS[COMP_CWORD]} words='' index beginning='' known
  for ((index = 1; index < COMP_CWORD && index < 3; index++)); do
    [[ \${COMP_WORDS[index]} == -* ]] || beginning="\${beginning:+$beginning }\${COMP_WORDS[index]}"
  done
  for known in "$beginning" "\${beginning%% *}"; do
    case $known in
${cases.join('\n')}
    esac
    [[ -n $words ]] && break
  done
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ $current == -* || \${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -F _zerostate zerostate
`;
}

/** zsh runs completions of bash. */
const zsh = (commands: readonly Command[]): string => `autoload -U +X bashcompinit && bashcompinit\n${bash(commands)}`;

function fish(commands: readonly Command[]): string {
  const quote = (text: string) => `'${text.replace(/['\\]/g, '\\$&')}'`;
  const lines = commands.flatMap(({ name, summary, options = {} }) => {
    const [first, second] = name.split(' ');
    const word = second
      ? `complete -c zerostate -n '__fish_seen_subcommand_from ${first}' -a ${second} -d ${quote(summary)}`
      : `complete -c zerostate -n __fish_use_subcommand -a ${first} -d ${quote(summary)}`;
    const seen = `__fish_seen_subcommand_from ${first}${second ? `; and __fish_seen_subcommand_from ${second}` : ''}`;
    return [
      word,
      ...Object.entries(options).map(
        ([option, { help }]) => `complete -c zerostate -n '${seen}' -l ${option} -d ${quote(help)}`,
      ),
    ];
  });
  const groups = [...new Set(commands.map(({ name }) => name.split(' ')[0]))].filter(
    (group) => !commands.some(({ name }) => name === group),
  );
  const groupLines = groups.map((group) => `complete -c zerostate -n __fish_use_subcommand -a ${group}`);
  const global = Object.entries(GLOBAL_OPTIONS).map(
    ([name, { help }]) => `complete -c zerostate -l ${name} -d ${quote(help)}`,
  );
  return `${['complete -c zerostate -f', ...groupLines, ...lines, ...global].join('\n')}\n`;
}
