/**
 * Why money moved:
 * - `signup`, `grant`, `topup`: credits were issued to a user; `correction`: an admin added or removed some;
 * - `hold`: a budget and the most that host calls may cost were reserved. `post`, `fee`, `host_calls` and `release` close the
 *   hold: to the owner, to the market, to the market for host calls, and back;
 * - `lend`: a part of a task's hold was given to the hold of its sub-task, which the same statement opened;
 * - `payout_request`: earnings were reserved for a payout; `payout` paid them, `payout_rejected` returned them;
 * - `reversal`, `fee_reversal`: an upheld dispute returned earnings and fee to the submitter.
 */
export const TRANSFER_KINDS = [
  'signup',
  'grant',
  'topup',
  'correction',
  'hold',
  'post',
  'fee',
  'host_calls',
  'release',
  'lend',
  'payout_request',
  'payout',
  'payout_rejected',
  'reversal',
  'fee_reversal',
] as const;
export type TransferKind = (typeof TRANSFER_KINDS)[number];
