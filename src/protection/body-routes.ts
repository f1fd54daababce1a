import type { Request } from 'express';

/** A route that reads its body itself, as a stream. Such a body may be large and take its time. */
interface StreamingRoute {
  methods: readonly string[];
  /** As the router matches it: any case, with or without a slash at the end. */
  path: RegExp;
  /** Whether that body is JSON. If not, JSON sent to the route is parsed whole like any other. */
  json: boolean;
}

/** Every route that is not named here takes JSON alone, parsed whole: within the body budget and the body time. */
const STREAMING_ROUTES: readonly StreamingRoute[] = [
  { methods: ['POST', 'PUT'], path: /^\/api\/v1\/agents\/[^/]+\/binary\/?$/i, json: false },
  { methods: ['PUT'], path: /^\/api\/v1\/deposits\/[^/]+\/binary\/?$/i, json: false },
  { methods: ['POST'], path: /^\/api\/v1\/tasks\/inputs\/?$/i, json: true },
];

const streamingRoute = ({ method, path }: Pick<Request, 'method' | 'path'>): StreamingRoute | undefined =>
  STREAMING_ROUTES.find((route) => route.methods.includes(method) && route.path.test(path));

/** Whether the route reads bodies as streams: it counts as an upload. */
export const isUpload = (request: Pick<Request, 'method' | 'path'>): boolean => streamingRoute(request) !== undefined;

/**
 * Who reads the body of a request.
 *
 * - `nobody`: there is none, or its media type has no reader here.
 * - `parser`: the JSON parser, which keeps it in memory until it is whole.
 * - `route`: the route, as a stream. It refuses media types that it does not take.
 */
export function bodyReader(request: Request): 'nobody' | 'parser' | 'route' {
  if (!hasBody(request)) return 'nobody';
  const route = streamingRoute(request);
  const isJson = Boolean(request.is('json'));
  if (route?.json === isJson) return 'route';
  return isJson ? 'parser' : 'nobody';
}

/** `Content-Length: 0`, as browsers send it, is no body. */
export function hasBody({ headers }: Pick<Request, 'headers'>): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = headers;
  return length !== '0' || encoding !== undefined;
}
