export { bigintColumn } from './columns.js';
export { DatabaseModule, databaseUrl } from './database.module.js';
export { startEmbeddedPostgres } from './embedded-postgres.js';
export { LastingSession } from './lasting-session.js';
export { MicroBatcher } from './micro-batcher.js';
export { isPresent, Presence } from './presence.js';
export { SnakeNaming } from './snake-naming.js';
export { Sql } from './sql.js';
export { type PoolFigures, watchConnections } from './metrics.js';
