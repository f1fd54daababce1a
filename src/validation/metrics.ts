import { counters, histogram, SLOW_SECONDS } from '../observability/index.js';

export const validations = counters(
  'validations_total',
  "Binaries checked, by the refusal's code; OK for those that may be versions.",
  // Most of the many codes never occur: each is exported once it has.
  { code: ['OK'] as readonly string[] },
);
export const validationDuration = histogram(
  'validation_duration_seconds',
  'Time of one check, the wait for a checking process included.',
  [],
  SLOW_SECONDS,
);
export const scans = counters('virus_scans_total', 'Binaries given to the virus scanner, by outcome.', {
  outcome: ['clean', 'infected', 'too_large', 'away', 'not_configured'],
});
export const scanDuration = histogram('virus_scan_duration_seconds', 'Time of one virus scan.', [], SLOW_SECONDS);
