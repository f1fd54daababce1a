import { v7, validate } from 'uuid';

/**
 * A new UUIDv7. It is ordered by time, so primary keys append to the index's right edge and lists by id are lists by
 * age.
 */
export const newId = (): string => v7();

export const isId = (text: string): boolean => validate(text);

/** A number in [0, 1) derived from the id: as random as the id, and always equal for it. */
export const luckOf = (id: string): number => Number.parseInt(id.slice(-8), 16) / 2 ** 32;

/** When an id was made, ms since the epoch. */
export const timeOf = (id: string): number => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

/** The smallest id of those made at this time (ms since the epoch) or later. */
export function firstIdAt(time: number): string {
  const hex = Math.max(0, Math.floor(time)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
