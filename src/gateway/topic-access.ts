import { Injectable } from '@nestjs/common';
import { AgentService } from '../agents/index.js';
import type { Caller } from '../auth/index.js';
import { notFound } from '../common/app-error.js';
import { TaskService } from '../tasks/index.js';
import type { Topic } from './topic.js';

/** Who may follow what: one's own, and admins everything. */
@Injectable()
export class TopicAccess {
  constructor(
    private readonly tasks: TaskService,
    private readonly agents: AgentService,
  ) {}

  /** @throws AppError `not_found` for what does not exist and for somebody else's alike */
  async authorise(caller: Caller, topic: Topic): Promise<void> {
    if (topic.kind === 'task') await this.tasks.owned(caller, topic.id);
    else if (topic.kind === 'agent') await this.agents.owned(caller, topic.id);
    else if (caller.role !== 'admin' && !(topic.kind === 'user' && topic.id === caller.id)) throw notFound('topic');
  }
}
