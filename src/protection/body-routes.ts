import type { Request } from 'express';

/** A route that reads its body itself, as a stream. Such a body may be large and take its time. */
interface StreamingRoute {
  methods: readonly string[];
  /** As the router matches it: any case, with or without a slash at the end. */
  path: RegExp;
  /** Media types that the route reads or refuses by itself, as `request.is` takes them. */
  types: readonly string[];
}

/** A form with a file, or the bytes alone. JSON is refused by the route, which does not read it. */
const BINARY = ['multipart/form-data', 'application/wasm', 'json'];

/** Every route that is not named here takes JSON alone, parsed whole: within the body budget and the body time. */
const STREAMING_ROUTES: readonly StreamingRoute[] = [
  { methods: ['POST', 'PUT'], path: /^\/api\/v1\/agents\/[^/]+\/binary\/?$/i, types: BINARY },
  { methods: ['PUT'], path: /^\/api\/v1\/deposits\/[^/]+\/binary\/?$/i, types: BINARY },
  { methods: ['POST'], path: /^\/api\/v1\/tasks\/inputs\/?$/i, types: ['json'] },
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
 * - `route`: the route, as a stream, if at all.
 */
export function bodyReader(request: Request): 'nobody' | 'parser' | 'route' {
  if (!hasBody(request)) return 'nobody';
  const route = streamingRoute(request);
  if (route && request.is([...route.types])) return 'route';
  return request.is('json') ? 'parser' : 'nobody';
}

/** `Content-Length: 0`, as browsers send it, is no body. */
export function hasBody({ headers }: Pick<Request, 'headers'>): boolean {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = headers;
  return length !== '0' || encoding !== undefined;
}
