import { Module } from '@nestjs/common';
import { DatabaseModule } from '../database/index.js';
import { EGRESS, type Egress, EgressModule } from '../egress/index.js';
import { FeedModule } from '../feed/index.js';
import { Models, ModelsModule } from '../models/index.js';
import { AgentSecrets, SecretsModule } from '../secrets/index.js';
import { AgentState } from './agent-state.js';
import { HANDLERS, HostCallBroker } from './broker.js';
import { CallRecords } from './call-records.js';
import type { Handlers } from './host-call.js';
import { outsideHandlers } from './handlers/index.js';
import { KvCalls } from './handlers/kv.js';
import { OutputEmit } from './handlers/output-emit.js';

/** What agents may ask of the host, and how it is carried out. Present in processes with the role `worker`. */
@Module({
  imports: [DatabaseModule, EgressModule, FeedModule, ModelsModule, SecretsModule],
  providers: [
    AgentState,
    CallRecords,
    HostCallBroker,
    KvCalls,
    OutputEmit,
    {
      provide: HANDLERS,
      inject: [KvCalls, OutputEmit, EGRESS, AgentSecrets, Models],
      useFactory: (kv: KvCalls, emit: OutputEmit, egress: Egress, secrets: AgentSecrets, models: Models): Handlers => ({
        ...outsideHandlers({ egress, secrets, models }),
        'kv.get': kv.get,
        'kv.put': kv.put,
        'kv.delete': kv.delete,
        'kv.list': kv.list,
        'output.emit': emit,
      }),
    },
  ],
  exports: [AgentState, HostCallBroker],
})
export class HostCallsModule {}
