/** Text of an agent's choosing (V8's messages quote its names), fit for logs, terminals and databases. */
export const printable = (text: string): string => text.replace(/\p{Cc}/gu, '?').slice(0, 300);
