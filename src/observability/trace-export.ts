import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { Logger } from '@nestjs/common';
import { diag, DiagLogLevel, type Tracer } from '@opentelemetry/api';
import { setGlobalErrorHandler } from '@opentelemetry/core';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import { inTime } from '../common/timers.js';
import type { OtlpProtocol, Role, TracingConfig } from '../config/index.js';
import { outageLog } from './outage-log.js';

/** How long a stop waits for the collector, ms. */
const FAREWELL_MS = 3000;
const GREETING_MS = 2000;

/**
 * OpenTelemetry's SDK: samples, collects and sends in batches in the background. Loaded only if a collector is
 * configured. It reads the standard variables itself; `config/` has checked those that it knows.
 */
export function openExport(
  config: TracingConfig,
  roles: readonly Role[],
  protocol: OtlpProtocol,
): { tracer: Tracer; close: () => Promise<void> } {
  const warnOfOutage = outageLog(new Logger('Tracing'), 'traces do not reach the collector');
  const warn = (message: unknown): void =>
    warnOfOutage(message instanceof Error ? message : new Error(String(message)));
  setGlobalErrorHandler(warn);
  const ignore = (): void => undefined;
  diag.setLogger({ error: warn, warn, info: ignore, debug: ignore, verbose: ignore }, DiagLogLevel.WARN);

  const provider = new BasicTracerProvider({
    sampler: samplerOf(config),
    spanProcessors: [new BatchSpanProcessor(exporterFor(protocol))],
    resource: defaultResource()
      .merge(
        resourceFromAttributes({
          ...processAttributes(),
          'service.name': config.serviceName,
          'zerostate.roles': [...roles],
        }),
      )
      .merge(detectResources({ detectors: [envDetector] })),
  });
  return {
    tracer: provider.getTracer('zerostate'),
    close: () => inTime(provider.shutdown().catch(warn), FAREWELL_MS, () => undefined),
  };
}

/**
 * Anyone may send a `traceparent` that asks to be recorded. The server decides on it as if the trace began here; a
 * request not to be recorded is obeyed. Within the installation, the first process decides for all.
 */
function samplerOf({ sampler, share }: TracingConfig): Sampler {
  const kind = sampler.replace('parentbased_', '');
  const root =
    kind === 'traceidratio'
      ? new TraceIdRatioBasedSampler(share)
      : kind === 'always_off'
        ? new AlwaysOffSampler()
        : new AlwaysOnSampler();
  return sampler === kind ? root : new ParentBasedSampler({ root, remoteParentSampled: root });
}

/** Sends the collector a valid but empty request. @throws Error if it is refused */
export function greetCollector(protocol: OtlpProtocol): Promise<void> {
  return new Promise((resolve, reject) =>
    exporterFor(protocol, { timeoutMillis: GREETING_MS }).export([], ({ error }) =>
      error ? reject(error) : resolve(),
    ),
  );
}

const exporterFor = (protocol: OtlpProtocol, options: { timeoutMillis?: number } = {}) =>
  protocol === 'http/json' ? new JsonExporter(options) : new ProtobufExporter(options);

const processAttributes = () => ({
  'service.instance.id': randomUUID(),
  'host.name': hostname(),
  'process.pid': process.pid,
});
