export { MAX_CHECKED_BYTES, stepsFor } from './document.js';
export { SCHEMA_LIMITS, SchemaFault } from './schema-reader.js';
export { sameSchema, Schema, type Verdict } from './schema.js';
export { Steps } from './steps.js';
