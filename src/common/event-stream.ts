import type { Request } from 'express';

/** Whether a client of a feed route prefers server-sent events to a page of JSON. */
export const wantsEventStream = (request: Request): boolean =>
  request.accepts('application/json', 'text/event-stream') === 'text/event-stream';
