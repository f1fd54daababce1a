import type { QuestionDto } from '../task-api/index.js';
import { oneLine } from './agent-card.js';

/** A form as MCP shows it: members that are texts, numbers or truths. */
export interface Form {
  message: string;
  requestedSchema: { type: 'object'; properties: { answer: AnswerField }; required: ['answer'] };
}
type AnswerField =
  | { type: 'string'; description?: string; enum?: string[] }
  | { type: 'number' | 'integer' | 'boolean'; description?: string };

const MOST_QUESTION = 4000;
const MOST_SCHEMA = 1000;

/** A question of an agent as a form. An answer that no form can hold is asked for as JSON text. */
export function formOf({ question, schema }: Pick<QuestionDto, 'question' | 'schema'>): Form {
  return {
    message: `An agent of the market asks: ${oneLine(question, MOST_QUESTION)}`,
    requestedSchema: { type: 'object', properties: { answer: fieldOf(schema) }, required: ['answer'] },
  };
}

/** @returns JSON text of the answer to the question @throws SyntaxError where JSON text was asked for and is none */
export function answerOf({ schema }: Pick<QuestionDto, 'schema'>, content: unknown): string | undefined {
  const answer = (content as { answer?: unknown } | null)?.answer;
  if (answer === undefined) return undefined;
  if (isJsonField(schema) && typeof answer === 'string') return JSON.stringify(JSON.parse(answer));
  return JSON.stringify(answer);
}

function fieldOf(schema: object | null): AnswerField {
  const { type, enum: values } = (schema ?? {}) as { type?: unknown; enum?: unknown };
  if (isTexts(values)) return { type: 'string', enum: values };
  if (type === 'number' || type === 'integer' || type === 'boolean') return { type };
  if (isJsonField(schema)) {
    return { type: 'string', description: `JSON that fits ${JSON.stringify(schema).slice(0, MOST_SCHEMA)}` };
  }
  return { type: 'string' };
}

const isTexts = (values: unknown): values is string[] =>
  Array.isArray(values) && values.length > 0 && values.every((value) => typeof value === 'string');

/** Whether the answer is none of the values that a form has fields for. Without a schema, a text will do. */
function isJsonField(schema: object | null): boolean {
  if (schema === null) return false;
  const { type, enum: values } = schema as { type?: unknown; enum?: unknown };
  return !isTexts(values) && !['string', 'number', 'integer', 'boolean'].includes(String(type));
}
