import type { ColumnOptions } from 'typeorm';

/** A `bigint` column read and written as JavaScript's own bigint; `pg` hands it over as text. */
export const bigintColumn: ColumnOptions = {
  type: 'bigint',
  transformer: {
    to: (value?: bigint | null) => value?.toString() ?? value,
    from: (value: string | null) => (value === null ? null : BigInt(value)),
  },
};
