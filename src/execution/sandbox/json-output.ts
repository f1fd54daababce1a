import { jsonFault } from '../../common/json-scanner.js';

/** Arrays and objects inside one another. */
export const MAX_OUTPUT_DEPTH = 512;

/** What is wrong with an agent's standard output, which has to be one JSON document; undefined: nothing. */
export const outputFault = (bytes: Uint8Array): string | undefined =>
  bytes.length === 0 ? 'there is no output' : prefixed(jsonFault(bytes, MAX_OUTPUT_DEPTH));

const prefixed = (fault: string | undefined): string | undefined => fault && `not JSON: ${fault}`;
