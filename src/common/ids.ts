import { v7, validate } from 'uuid';

/** A new UUIDv7: ordered by time, so primary keys append to the index's right edge and lists by id are lists by age. */
export const newId = (): string => v7();

export const isId = (text: string): boolean => validate(text);
