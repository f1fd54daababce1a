/**
 * Text that contains an agent's words (V8's messages quote its names and output), made safe for logs, terminals and
 * databases: no control characters, at most 300 characters, and no half of a surrogate pair at the cut.
 */
export const printable = (text: string): string =>
  text
    .replace(/\p{Cc}/gu, '?')
    .slice(0, 300)
    .toWellFormed();
