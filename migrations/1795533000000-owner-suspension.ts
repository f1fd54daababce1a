import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A suspended owner's agents do not bid. Whether they do is read from `users`; touching the agents gives them a new revision,
 * so that catalogues read them anew and refuse an award to what they were.
 */
export class OwnerSuspension1795533000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION touch_agents_of_owner() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN UPDATE agents SET owner_id = owner_id WHERE owner_id = NEW.id; RETURN NULL; END $$;
      CREATE TRIGGER users_suspension AFTER UPDATE OF suspended_at ON users
        FOR EACH ROW WHEN ((OLD.suspended_at IS NULL) <> (NEW.suspended_at IS NULL))
        EXECUTE FUNCTION touch_agents_of_owner();
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER users_suspension ON users; DROP FUNCTION touch_agents_of_owner()');
  }
}
