import type { DetailedCardDto } from '../agents/index.js';
import type { ObjectSchema, ToolCard } from './tool.js';

const MOST_DESCRIPTION = 500;
/** A larger schema is left out: the agent's own check of the input stays. */
const MOST_SCHEMA_BYTES = 32 * 1024;

/** How arguments become the input of the agent, and how its result becomes structured content. */
export interface AgentToolCard extends ToolCard {
  /** The arguments are the input; otherwise their member `input` is. */
  takesInputAsIs: boolean;
  /** The result is the structured content; otherwise it is its member `result`. */
  givesResultAsIs: boolean;
}

/**
 * An agent as a tool. Texts of its owner are cut, and marked as the owner's. The prefix of the name sets it apart from
 * built-in tools, and the end of the id from agents with the same slug.
 */
export function toolCardOf(agent: DetailedCardDto): AgentToolCard {
  const input = bounded(agent.input_schema);
  const output = bounded(agent.output_schema);
  const takesInputAsIs = isObjectSchema(input);
  const givesResultAsIs = isObjectSchema(output);
  return {
    name: `agent_${agent.slug.slice(0, 40)}_${agent.id.slice(-12)}`,
    title: `${oneLine(agent.name, 100)} (an agent of the market)`,
    description:
      `Gives a task to this agent of the market (from ${agent.price} credits). Its owner describes it so: ` +
      JSON.stringify(oneLine(agent.description, MOST_DESCRIPTION)),
    inputSchema: takesInputAsIs ? input : { type: 'object', properties: { input: input ?? ANY }, required: ['input'] },
    outputSchema: givesResultAsIs
      ? output
      : { type: 'object', properties: { result: output ?? {} }, required: ['result'] },
    annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
    takesInputAsIs,
    givesResultAsIs,
  };
}

const ANY = { description: 'Any JSON value but null: what the agent reads.' };

function bounded(schema: object | null): object | null {
  if (!schema || JSON.stringify(schema).length > MOST_SCHEMA_BYTES) return null;
  return JSON.parse(JSON.stringify(schema), (name, value: unknown) =>
    TEXTS.has(name) && typeof value === 'string' ? oneLine(value, MOST_SCHEMA_TEXT) : value,
  ) as object;
}

/** What an owner may write for readers of a schema. */
const TEXTS = new Set(['title', 'description', '$comment']);
const MOST_SCHEMA_TEXT = 200;

const isObjectSchema = (schema: object | null): schema is ObjectSchema =>
  schema !== null && 'type' in schema && schema.type === 'object';

/** Without line breaks and control characters, by which a text could pass itself off as another part of a prompt. */
export const oneLine = (text: string, most: number): string => {
  const line = text.replace(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, ' ').trim();
  return line.length > most ? `${line.slice(0, most)}…` : line;
};
