/** The result of a check. `advice` says what to do about it. */
export type Finding = { mark: '✓' | '!' | '✗'; what: string; found: string; advice?: string };

/** An error's message, else its code. */
export const reason = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  return message || code || 'unknown';
};
