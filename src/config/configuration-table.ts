import { z } from 'zod';
import { variables } from './variables.js';

interface Described {
  description?: string;
  default?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
}

/** The text of `docs/configuration.md`: every variable with its default, its limits and its meaning. */
export function configurationTable(): string {
  const schema = z.toJSONSchema(variables, { io: 'input', unrepresentable: 'any' });
  const rows = Object.entries(schema.properties ?? {}).map(([name, property]) => {
    const described = property as Described;
    const cells = [`\`${name}\``, code(described.default), limitsOf(described), described.description ?? ''];
    return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`;
  });
  return `${HEADER}\n${rows.join('\n')}\n`;
}

const code = (value: unknown): string => (value === undefined || value === '' ? '' : `\`${String(value)}\``);

function limitsOf({ enum: choices, minimum, maximum }: Described): string {
  if (choices) return choices.join(', ');
  const most = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum;
  if (minimum === undefined && most === undefined) return '';
  if (most === undefined) return `from ${minimum}`;
  return `${minimum ?? ''} to ${most}`;
}

const HEADER = `# Configuration

Environment variables, or a file \`.env\` in the working directory (see [\`.env.example\`](../.env.example)). A bad value
stops the start and says which. None is needed to try it out. Generated from \`src/config/variables.ts\`.

| variable | default | limits | meaning |
| --- | --- | --- | --- |`;
