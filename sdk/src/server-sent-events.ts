/** One message of a stream of server-sent events. */
export interface ServerSentEvent {
  type: string;
  data: string;
  id: string | undefined;
  /** ms to wait before the next connection, where the server says so. */
  retry: number | undefined;
}

/**
 * Reads a stream of server-sent events. A message that was cut off is left out.
 * @param idleMs throws `IdleError` when nothing comes for so long, not even a comment
 */
export async function* readEvents(body: ReadableStream<Uint8Array>, idleMs: number): AsyncGenerator<ServerSentEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await withinIdle(reader.read(), idleMs);
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const messages = text.split(/\r?\n\r?\n/);
      text = messages.pop()!;
      for (const message of messages) yield parse(message);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** The connection is dead: even comments have stopped. */
export class IdleError extends Error {}

async function withinIdle<T>(reading: Promise<T>, idleMs: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const idle = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new IdleError(`Nothing came for ${idleMs} ms.`)), idleMs);
  });
  return Promise.race([reading, idle]).finally(() => clearTimeout(timer));
}

function parse(message: string): ServerSentEvent {
  const event: ServerSentEvent = { type: 'message', data: '', id: undefined, retry: undefined };
  const data: string[] = [];
  for (const line of message.split(/\r?\n/)) {
    const [, field, value] = /^([^:]*):? ?([^]*)$/.exec(line)!;
    if (field === 'event') event.type = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id') event.id = value;
    else if (field === 'retry') event.retry = Number(value);
  }
  event.data = data.join('\n');
  return event;
}
