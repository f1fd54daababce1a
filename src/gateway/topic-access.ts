import { Injectable } from '@nestjs/common';
import { AgentService } from '../agents/index.js';
import { AuditTrail, type Caller } from '../auth/index.js';
import { notFound } from '../common/app-error.js';
import { TaskService } from '../task-api/index.js';
import { type Topic, topicName } from './topic.js';

/** Who may follow a topic: users their own, admins all. The audit trail records when admins follow topics of others. */
@Injectable()
export class TopicAccess {
  constructor(
    private readonly tasks: TaskService,
    private readonly agents: AgentService,
    private readonly audit: AuditTrail,
  ) {}

  /** @throws AppError `not_found`, both for unknown topics and for those of other users */
  async authorise(caller: Caller, topic: Topic): Promise<void> {
    if (topic.kind === 'task') {
      await this.tasks.looked(caller, topic.id, 'events');
      return;
    }
    const subjectId = await this.ownerOf(caller, topic);
    await this.audit.recordRead({ type: 'feed.followed', by: caller, subjectId, details: { topic: topicName(topic) } });
  }

  /** @returns undefined for the whole feed */
  private async ownerOf(caller: Caller, topic: Exclude<Topic, { kind: 'task' }>): Promise<string | undefined> {
    if (topic.kind === 'agent') return (await this.agents.owned(caller, topic.id)).ownerId;
    const isOwn = topic.kind === 'user' && topic.id === caller.id;
    if (caller.role !== 'admin' && !isOwn) throw notFound('topic');
    return topic.kind === 'user' ? topic.id : undefined;
  }
}
