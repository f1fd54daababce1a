/** The command line is wrong; the message says how. */
export class UsageError extends Error {}

/** Options of a command line, by name. */
export type Values = Record<string, string | boolean | string[] | undefined>;
