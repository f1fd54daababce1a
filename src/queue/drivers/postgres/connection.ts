import { type ConnectionOptions, createPostgresBackend, setDefaultBackendFactory } from 'bullmq';
import { DatabaseClient } from '../../../database/index.js';

/**
 * BullMQ's own backend on PostgreSQL, in a schema named after the prefix, which it migrates itself under an advisory
 * lock.
 *
 * The Nest integration builds queues and workers without naming a backend, so it is set as the process's default: a
 * process has one queue backend.
 */
export function postgresConnection(connectionString: string, prefix: string): ConnectionOptions {
  setDefaultBackendFactory(createPostgresBackend as unknown as Parameters<typeof setDefaultBackendFactory>[0]);
  // The Nest integration types connections for Redis alone; the backend above reads this shape.
  return {
    Client: DatabaseClient,
    connectionString,
    max: 4,
    schema: `${prefix.replaceAll('-', '_')}_queue`,
    migrate: true,
    application_name: 'zerostate-queue',
    // The sweeper finds what a crash of the database takes from the queue, so nobody waits for the disk here.
    options: '-c synchronous_commit=off',
  } as unknown as ConnectionOptions;
}
