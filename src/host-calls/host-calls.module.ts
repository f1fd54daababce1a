import { Module } from '@nestjs/common';
import { DatabaseModule } from '../database/index.js';
import { EGRESS, type Egress, EgressModule } from '../egress/index.js';
import { FeedModule } from '../feed/index.js';
import { Models, ModelsModule } from '../models/index.js';
import { SchedulingModule } from '../scheduling/index.js';
import { AgentSecrets, SecretsModule } from '../secrets/index.js';
import { TasksModule } from '../tasks/index.js';
import { AgentState } from './agent-state.js';
import { Answers } from './answers.js';
import { HANDLERS, HostCallBroker } from './broker.js';
import { CallRecords } from './call-records.js';
import type { Handlers } from './host-call.js';
import { outsideHandlers } from './handlers/index.js';
import { KvCalls } from './handlers/kv.js';
import { InputAsk } from './handlers/input-ask.js';
import { OutputEmit } from './handlers/output-emit.js';
import { TaskSubmit } from './handlers/task-submit.js';
import { TaskWait } from './handlers/task-wait.js';
import { SubTaskEnds } from './sub-task-ends.js';

/** What agents may ask of the host, and how it is carried out. Present in processes with the role `worker`. */
@Module({
  imports: [DatabaseModule, EgressModule, FeedModule, ModelsModule, SchedulingModule, SecretsModule, TasksModule],
  providers: [
    AgentState,
    Answers,
    CallRecords,
    HostCallBroker,
    InputAsk,
    KvCalls,
    OutputEmit,
    SubTaskEnds,
    TaskSubmit,
    TaskWait,
    {
      provide: HANDLERS,
      inject: [KvCalls, OutputEmit, InputAsk, TaskSubmit, TaskWait, EGRESS, AgentSecrets, Models],
      useFactory: (
        kv: KvCalls,
        emit: OutputEmit,
        ask: InputAsk,
        submit: TaskSubmit,
        wait: TaskWait,
        egress: Egress,
        secrets: AgentSecrets,
        models: Models,
      ): Handlers => ({
        ...outsideHandlers({ egress, secrets, models }),
        'kv.get': kv.get,
        'kv.put': kv.put,
        'kv.delete': kv.delete,
        'kv.list': kv.list,
        'output.emit': emit,
        'input.ask': ask,
        'task.submit': submit,
        'task.wait': wait,
      }),
    },
  ],
  exports: [AgentState, HostCallBroker],
})
export class HostCallsModule {}
