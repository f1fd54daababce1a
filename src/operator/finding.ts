/** What a check found. `advice` says what to do about it. */
export type Finding = { mark: '✓' | '!' | '✗'; what: string; found: string; advice?: string };

/** What an error says, else its code. */
export const reason = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  return message || code || 'unknown';
};
