export { AgentState } from './agent-state.js';
export { AttemptCalls, type CallingAttempt } from './attempt-calls.js';
export { HostCallBroker } from './broker.js';
export { HostCallsApiModule } from './host-calls-api.module.js';
export { HostCallsModule } from './host-calls.module.js';
