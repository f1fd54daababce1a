import { counter, histogram, SLOW_SECONDS } from '../observability/index.js';

export const validations = counter(
  'validations_total',
  "Binaries checked, by the refusal's code; OK for those that may be versions.",
  ['code'],
);
export const validationDuration = histogram(
  'validation_duration_seconds',
  'Time of one check, the wait for a checking process included.',
  [],
  SLOW_SECONDS,
);
export const scans = counter('virus_scans_total', 'Binaries given to the virus scanner, by outcome.', ['outcome']);
export const scanDuration = histogram('virus_scan_duration_seconds', 'Time of one virus scan.', [], SLOW_SECONDS);
