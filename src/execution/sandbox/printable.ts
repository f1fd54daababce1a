/**
 * Text of an agent's choosing (V8's messages quote its names and its output), fit for logs, terminals and databases, and short:
 * a cut may go through the middle of a surrogate pair.
 */
export const printable = (text: string): string =>
  text
    .replace(/\p{Cc}/gu, '?')
    .slice(0, 300)
    .toWellFormed();
