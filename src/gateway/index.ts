export { GatewayModule } from './gateway.module.js';
export { WebSocketAdapter } from './websocket.adapter.js';
