import type { IncomingMessage } from 'node:http';

/** Whether a request has a body that is kept in memory until it is whole. */
export const isParsedWhole = ({ headers, path }: IncomingMessage & { path: string }): boolean => {
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = headers;
  return (length !== '0' || encoding !== undefined) && !isStreamed(path);
};

/** Whether a route reads its body as a stream, which may be large and take its time: a binary, or a large input. */
export const isStreamed = (path: string): boolean => isBinary(path) || isStreamedJson(path);

/** Whether it takes or serves the bytes of an agent, in every form that the router takes. */
export const isBinary = (path: string): boolean => /\/binary\/?$/i.test(path);

/** Whether it is JSON, which no parser may read before. */
export const isStreamedJson = (path: string): boolean => /^\/api\/v1\/tasks\/inputs\/?$/i.test(path);
