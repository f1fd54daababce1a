import { Injectable } from '@nestjs/common';
import { Auctions } from '../auction/index.js';
import { assertScope, type Caller } from '../auth/index.js';
import { undefinedIfNotFound } from '../common/app-error.js';
import { stringify } from '../common/raw-json.js';
import { asSeenBy, type FeedEvent } from '../feed/index.js';
import { Hub } from '../gateway/index.js';
import { TaskService } from '../task-api/index.js';

const URI = /^zerostate:\/\/tasks\/([0-9a-f-]{36})\/(auction|log)$/i;
/** Events of one read of the feed, and the most that a log is made of. */
const PAGE = 200;
const MOST_EVENTS = 5000;
const MOST_LOG_CHARACTERS = 1024 * 1024;

/** What clients can read of their tasks besides the tasks themselves. */
@Injectable()
export class McpResources {
  readonly templates = [
    {
      uriTemplate: 'zerostate://tasks/{id}/auction',
      name: 'auction',
      title: 'Scoreboard of a task',
      description: 'Why this agent: every bid with every term of its score.',
      mimeType: 'application/json',
    },
    {
      uriTemplate: 'zerostate://tasks/{id}/log',
      name: 'log',
      title: 'Log of a task',
      description: 'What the agents of the task wrote to their standard error.',
      mimeType: 'text/plain',
    },
  ];

  constructor(
    private readonly auctions: Auctions,
    private readonly tasks: TaskService,
    private readonly hub: Hub,
  ) {}

  /**
   * @returns undefined when no resource has this address, or another user's has
   * @throws AppError as the routes of tasks
   */
  read(caller: Caller, uri: string): Promise<Content | undefined> {
    return this.find(caller, uri).catch(undefinedIfNotFound);
  }

  private async find(caller: Caller, uri: string): Promise<Content | undefined> {
    const [, id, part] = URI.exec(uri) ?? [];
    if (!id) return undefined;
    assertScope(caller, 'tasks:read');
    if (part.toLowerCase() === 'log') return { mimeType: 'text/plain', text: await this.log(caller, id) };
    return { mimeType: 'application/json', text: stringify(await this.auctions.of(caller, id, false)) };
  }

  private async log(caller: Caller, id: string): Promise<string> {
    const task = await this.tasks.looked(caller, id, 'events');
    const topic = { kind: 'task', id: task.id } as const;
    const lines: string[] = [];
    let length = 0;
    let afterSeq = 0;
    for (let read = 0; read < MOST_EVENTS && length < MOST_LOG_CHARACTERS; read += PAGE) {
      const events = await this.hub.history(topic, afterSeq, PAGE);
      for (const event of events) {
        const text = logLinesOf(asSeenBy(caller, event));
        lines.push(...text);
        length += text.join('\n').length;
      }
      if (events.length < PAGE) break;
      afterSeq = events[events.length - 1].seq;
    }
    return lines.join('\n').slice(0, MOST_LOG_CHARACTERS);
  }
}

interface Content {
  mimeType: string;
  text: string;
}

function logLinesOf(event: FeedEvent | null): string[] {
  const lines = event?.type === 'task.log' ? event.data.lines : undefined;
  return Array.isArray(lines) ? lines.map(String) : [];
}
