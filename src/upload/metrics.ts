import { counters, histogram } from '../observability/index.js';

const MIB = 2 ** 20;

export const uploads = counters('uploads_total', 'Uploads that arrived whole, by outcome.', {
  outcome: ['published', 'refused', 'failed'],
});
export const uploadSize = histogram(
  'upload_size_bytes',
  'Size of their binaries.',
  [],
  [1 / 64, 1 / 16, 1 / 4, 1, 4, 16, 50, 128].map((mib) => mib * MIB),
);
