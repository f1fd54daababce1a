/**
 * The name of the constraint or unique index that a statement violated.
 * @returns undefined for any other error
 */
export function violatedConstraint(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  // `pg` sets these members; TypeORM copies them to its own error.
  const { code, constraint } = error as { code?: unknown; constraint?: unknown };
  return typeof code === 'string' && INTEGRITY.test(code) && typeof constraint === 'string' ? constraint : undefined;
}

/** SQLSTATE class 23, integrity constraint violation. */
const INTEGRITY = /^23...$/;
