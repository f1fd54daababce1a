/** What an operator does about a database that answers and takes no writes. */
export const WRITES_ADVICE =
  'Promote the standby, point DATABASE_URL at the primary, or take default_transaction_read_only back.';

/**
 * Whether a database answers and takes no writes, as a standby does, or one with `default_transaction_read_only`.
 * @param ask runs a statement @throws what `ask` throws
 */
export async function isReadOnly(ask: (statement: string) => Promise<{ readOnly: boolean }[]>): Promise<boolean> {
  const [{ readOnly }] = await ask(`SELECT current_setting('transaction_read_only') = 'on' AS "readOnly"`);
  return readOnly;
}
