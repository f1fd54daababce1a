import { Steps } from './steps.js';

/** The largest document that is compared with a schema, bytes. */
export const MAX_CHECKED_BYTES = 256 * 1024;

/**
 * Work that one comparison may take: enough for a schema that looks at each value of the document a few times.
 * @param bytes of the document
 */
export const stepsFor = (bytes: number): Steps => new Steps(20_000 + 4 * bytes);
