export { AgentState, type PutOutcome, type StateEntry, type StateKey } from './agent-state.js';
export { AttemptCalls, type CallingAttempt } from './attempt-calls.js';
export { HostCallBroker } from './broker.js';
export { KvCalls } from './handlers/kv.js';
export { type AgentQuestion, parseQuestion, TOO_MANY_PARKED } from './handlers/input-ask.js';
export { OutputEmit } from './handlers/output-emit.js';
export {
  type CallContext,
  type Handlers,
  HOST_CALL_METHODS,
  HostCallError,
  type HostCallHandler,
  type HostCallMethod,
  type Parking,
  type PreparedCall,
} from './host-call.js';
export { HostCallsApiModule } from './host-calls-api.module.js';
export { HostCallsModule } from './host-calls.module.js';
export { parseRequest } from './handlers/parse-request.js';
