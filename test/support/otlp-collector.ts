import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import protobuf from 'protobufjs';

/** A span as it was received, whichever encoding it came in. */
export interface ReceivedSpan {
  traceId: string;
  spanId: string;
  /** '' for the root of a trace. */
  parentSpanId: string;
  name: string;
  kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  failed: boolean;
  /** Why it failed, as its status says; '' when it does not. */
  message: string;
  attributes: Record<string, unknown>;
  /** Traces it has to do with. */
  links: string[];
  /** Milliseconds. */
  duration: number;
  /** Of the process it came from. */
  resource: Record<string, unknown>;
}

/** A collector that speaks OTLP over HTTP, in both encodings, and keeps what it gets. */
export class OtlpCollector {
  readonly spans: ReceivedSpan[] = [];
  /** `Content-Type` of every export. */
  readonly encodings: string[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<OtlpCollector> {
    const server = createServer((request, response) => {
      void collector.receive(request).then(
        () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
        (error: Error) => response.writeHead(400).end(error.message),
      );
    });
    const collector = new OtlpCollector(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private async receive(request: IncomingMessage): Promise<void> {
    if (request.method !== 'POST' || request.url !== '/v1/traces') throw new Error(`not OTLP: ${request.url}`);
    const encoding = String(request.headers['content-type']);
    this.encodings.push(encoding);
    const body = await buffer(request);
    const message = encoding === 'application/json' ? (JSON.parse(body.toString()) as Export) : decode(body);
    for (const { resource, scopeSpans } of message.resourceSpans) {
      const from = toRecord(resource.attributes);
      for (const { spans } of scopeSpans) this.spans.push(...spans.map((span) => toSpan(span, from)));
    }
  }
}

const KINDS = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;
const STATUS_ERROR = 2;

const toSpan = (span: Export['resourceSpans'][0]['scopeSpans'][0]['spans'][0], resource: object): ReceivedSpan => ({
  traceId: span.traceId,
  spanId: span.spanId,
  parentSpanId: span.parentSpanId ?? '',
  name: span.name,
  kind: KINDS[span.kind ?? 0],
  failed: span.status?.code === STATUS_ERROR,
  message: span.status?.message ?? '',
  attributes: toRecord(span.attributes),
  links: (span.links ?? []).map(({ traceId }) => traceId),
  duration: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
  resource: resource as Record<string, unknown>,
});

const toRecord = (attributes: Attribute[] = []): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, toValue(value)]));

function toValue({ arrayValue, intValue, ...other }: Attribute['value']): unknown {
  if (arrayValue) return arrayValue.values.map(toValue);
  return intValue === undefined ? Object.values(other)[0] : Number(intValue);
}

/** OTLP's JSON, as far as it is read here. */
interface Export {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: {
      spans: {
        traceId: string;
        spanId: string;
        parentSpanId?: string;
        name: string;
        kind?: number;
        startTimeUnixNano: string;
        endTimeUnixNano: string;
        attributes?: Attribute[];
        links?: { traceId: string }[];
        status?: { code?: number; message?: string };
      }[];
    }[];
  }[];
}

interface Attribute {
  key: string;
  value: {
    stringValue?: string;
    boolValue?: boolean;
    doubleValue?: number;
    intValue?: string | number;
    arrayValue?: { values: Attribute['value'][] };
  };
}

/** The same messages, from opentelemetry-proto 1.x (`collector/trace/v1`, `trace/v1`, `common/v1`). */
const PROTO = `syntax = "proto3";
message Export { repeated ResourceSpans resource_spans = 1; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message Resource { repeated KeyValue attributes = 1; }
message ScopeSpans { repeated Span spans = 2; }
message Span {
  bytes trace_id = 1;
  bytes span_id = 2;
  bytes parent_span_id = 4;
  string name = 5;
  int32 kind = 6;
  fixed64 start_time_unix_nano = 7;
  fixed64 end_time_unix_nano = 8;
  repeated KeyValue attributes = 9;
  repeated Link links = 13;
  Status status = 15;
}
message Link { bytes trace_id = 1; bytes span_id = 2; }
message Status { string message = 2; int32 code = 3; }
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue {
  oneof value {
    string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4;
    ArrayValue array_value = 5;
  }
}
message ArrayValue { repeated AnyValue values = 1; }`;

const EXPORT = protobuf.parse(PROTO).root.lookupType('Export');

function decode(body: Buffer): Export {
  return withIdsAsDigits(EXPORT.toObject(EXPORT.decode(body), { longs: String, arrays: true })) as Export;
}

/** Ids are bytes here, and hexadecimal digits in JSON. */
function withIdsAsDigits(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(withIdsAsDigits);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withIdsAsDigits(member)]));
}
