import { Module } from '@nestjs/common';
import { DatabaseModule } from '../database/index.js';
import { FeedModule } from '../feed/index.js';
import { AgentState } from './agent-state.js';
import { HANDLERS, type Handlers, HostCallBroker } from './broker.js';
import { CallRecords } from './call-records.js';
import { KvCalls } from './handlers/kv.js';
import { OutputEmit } from './handlers/output-emit.js';

/** What agents may ask of the host, and how it is carried out. Present in processes with the role `worker`. */
@Module({
  imports: [DatabaseModule, FeedModule],
  providers: [
    AgentState,
    CallRecords,
    HostCallBroker,
    KvCalls,
    OutputEmit,
    {
      provide: HANDLERS,
      inject: [KvCalls, OutputEmit],
      useFactory: (kv: KvCalls, emit: OutputEmit): Handlers => ({
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
