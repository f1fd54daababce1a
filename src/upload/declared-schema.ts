import { malformed } from '../common/dto.pipe.js';
import { jsonDepth } from '../common/json-text.js';
import { Schema, SCHEMA_LIMITS, SchemaFault } from '../contracts/index.js';

/** Levels of arrays and objects, far more than a schema needs. */
const MAX_DEPTH = 200;

/**
 * The schema that a form field declares.
 * @returns undefined if the form has no such field
 * @throws AppError `invalid` for text that is no supported schema
 */
export function declaredSchema(field: string, text: string | undefined): object | undefined {
  if (text === undefined) return undefined;
  try {
    const document = parsed(text);
    Schema.read(document);
    return document as object;
  } catch (error) {
    if (error instanceof SchemaFault) throw malformed([{ field, message: `${field} ${error.message}` }]);
    throw error;
  }
}

function parsed(text: string): unknown {
  if (text.length > SCHEMA_LIMITS.bytes * 2) throw new SchemaFault(`has more than ${SCHEMA_LIMITS.bytes} bytes`);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new SchemaFault(`is not JSON: ${(error as Error).message}`);
  }
  if (jsonDepth(text) > MAX_DEPTH) throw new SchemaFault('nests too deep');
  return document;
}
