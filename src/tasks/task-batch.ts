/** What the batched writes of tasks have in common: see `MicroBatcher`. */
export const BATCH = { maxItems: 200, maxBytes: 8 * 1024 * 1024 };

/** To be announced after a batch. */
export const highest = (rows: { seq: string | null }[]): number =>
  rows.reduce((max, row) => Math.max(max, Number(row.seq)), 0);

/**
 * Documents from outside travel as text inside the batch and are cast to `json` one by one. As nested JSON they would be
 * decoded with the whole batch, where one task's `\u0000` or lone surrogate fails everybody's.
 */
export const asText = (document: object | null | undefined): string | null =>
  document ? JSON.stringify(document) : null;
