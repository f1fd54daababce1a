/**
 * Every advisory lock that this product takes in PostgreSQL. Processes of different releases share these numbers: never
 * change or reuse one.
 */
export const LOCKS = {
  /** Appends to the feed in the order of commits. Taken by a trigger: the number stands in the first migration. */
  feed: 7305449117,
  migrations: 7305449118,
  /** Changes of accounts that could leave the installation without an admin. */
  admins: 7305449119,
  /** Held by the worker process that chooses which tasks enter the queue. */
  fairShare: 7305449120,
  retention: 7305449121,
  lateScan: 7305449123,
  ledgerCheck: 7305449124,
  /** Shared by every server on an embedded cluster; the last one stops PostgreSQL. */
  embeddedCluster: 0x7a65726f,
} as const;

/** First half of two-part keys, one per worker process; the second half is the number of the process. */
export const PRESENCE_LOCKS = 7305;
