/** Whether a route reads its body as a stream, which may be large and take its time: a binary, or a large input. */
export const isStreamed = (path: string): boolean => path.endsWith('/binary') || isStreamedJson(path);

/** Whether it is JSON, which no parser may read before. In every form that the router takes. */
export const isStreamedJson = (path: string): boolean => /^\/api\/v1\/tasks\/inputs\/?$/i.test(path);
