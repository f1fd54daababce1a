export { DependencyFault } from './dependency-fault.js';
export { FreeDisk } from './free-disk.js';
export { Health } from './health.js';
export { measureRequests } from './http-metrics.js';
export { counter, counters, gauge, histogram, shared, SLOW_SECONDS, tally } from './metrics.js';
export { logLevel, setLogLevel, startLogging, tellRoutine } from './logging.js';
export { ObservabilityModule } from './observability.module.js';
export { outageLog } from './outage-log.js';
export { traceAndLog } from './request-log.js';
export {
  checkCollector,
  enterTrace,
  markEndedBy,
  markFailed,
  recordSpan,
  SpanKind,
  startTracing,
  type Span,
  traced,
} from './tracing.js';
