import { Module, type OnApplicationShutdown } from '@nestjs/common';
import { DatabaseConfig } from '../config/index.js';
import { DependencyFault, Health } from '../observability/index.js';
import { Presence } from './presence.js';
import { isReadOnly } from './read-only.js';
import { Sql } from './sql.js';

/**
 * The connections of the hot statements. TypeORM's data source is made by the composition root, which alone knows all
 * entities and migrations; modules take `DataSource` and ask it for the repositories of their own entities.
 */
@Module({
  providers: [
    {
      provide: Sql,
      inject: [DatabaseConfig],
      useFactory: ({ url }: DatabaseConfig) => new Sql(url),
    },
    {
      // Only workers enter it.
      provide: Presence,
      inject: [DatabaseConfig],
      useFactory: ({ url }: DatabaseConfig) => new Presence(url),
    },
  ],
  exports: [Presence, Sql],
})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(
    private readonly sql: Sql,
    health: Health,
  ) {
    health.register('database', async () => {
      if (!(await isReadOnly((statement) => sql.query('health', statement, [])))) return;
      throw new DependencyFault('takes no writes: promote the standby, or point DATABASE_URL at the primary');
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.sql.close();
  }
}
