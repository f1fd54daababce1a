import { z } from 'zod';
import { variables } from './variables.js';

/** The text of `.env.example`: every variable with its meaning, commented out at its default. */
export function envExample(): string {
  const schema = z.toJSONSchema(variables, { io: 'input', unrepresentable: 'any' });
  const entries = Object.entries(schema.properties ?? {}) as [string, { description?: string; default?: unknown }][];
  const lines = entries.map(([name, { description, default: value }]) => `# ${description}\n# ${name}=${value ?? ''}`);
  return [HEADER, ...lines, ''].join('\n\n').replace(/\n+$/, '\n');
}

const HEADER = `# Copy to .env, or set these in the environment. Every line shows the default; none is needed to start.`;
