export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Nearest rank. @param share 0–1 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

/** What is asked of a figure. */
export type Aim = { atLeast: number } | { below: number } | { atLeastOfPeer: number } | { atMostOfPeer: number };

export interface Figure {
  suite: string;
  backend: string;
  /** What was measured, e.g. `one process`. */
  name: string;
  unit: '/s' | 'ms' | 'MB' | 'bytes' | '%' | 'rounds' | 'agents' | 'connections' | 'credits';
  /** One value a round. */
  ours: number[];
  /** One value a round, measured between ours. */
  peer?: number[];
  aim?: Aim;
}

/** @returns undefined when there is no peer */
export const ratioToPeer = ({ ours, peer }: Figure): number | undefined =>
  peer && peer.length > 0 ? median(ours) / median(peer) : undefined;

/** @returns undefined when nothing is asked */
export function isMet(figure: Figure): boolean | undefined {
  const { aim } = figure;
  if (!aim) return undefined;
  // What could not be measured, because nothing was answered, is no success.
  if (!Number.isFinite(median(figure.ours))) return false;
  if ('atLeast' in aim) return median(figure.ours) >= aim.atLeast;
  if ('below' in aim) return median(figure.ours) < aim.below;
  const ratio = ratioToPeer(figure);
  if ('atMostOfPeer' in aim) return ratio !== undefined && ratio <= aim.atMostOfPeer;
  return ratio !== undefined && ratio >= aim.atLeastOfPeer;
}
