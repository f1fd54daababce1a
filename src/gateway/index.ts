export { ConnectionLimits } from './connection-limits.js';
export { GatewayModule } from './gateway.module.js';
export { Hub, type Replay, type Subscriber } from './hub.js';
export type { Topic } from './topic.js';
export { WebSocketAdapter } from './websocket.adapter.js';
