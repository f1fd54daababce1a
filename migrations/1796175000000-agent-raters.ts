import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What each account voted on each agent. An agent leaves auctions by the votes of many accounts, not by many votes of one. */
export class AgentRaters1796175000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE agent_ratings (
        agent_id uuid NOT NULL CONSTRAINT agent_ratings_agent_fkey REFERENCES agents,
        rater_id uuid NOT NULL,
        votes integer NOT NULL,
        rating_sum integer NOT NULL,
        CONSTRAINT agent_ratings_pkey PRIMARY KEY (agent_id, rater_id)
      );
      ALTER TABLE agent_statistics
        ADD raters integer NOT NULL DEFAULT 0,
        ADD rater_mean_sum double precision NOT NULL DEFAULT 0;
    `);
    // The projection still counts the votes whose events it has not read.
    await runner.query(`
      INSERT INTO agent_ratings (agent_id, rater_id, votes, rating_sum)
      SELECT t.agent_id, t.user_id, count(*), sum(t.rating)
        FROM tasks t JOIN agent_statistics s ON s.agent_id = t.agent_id
       WHERE t.rating IS NOT NULL
         AND NOT EXISTS (
           SELECT FROM task_events e
            WHERE e.task_id = t.id AND e.type = 'task.rated'
              AND e.seq > coalesce((SELECT seq FROM feed_cursors WHERE projection = 'agent_statistics'), 0))
       GROUP BY t.agent_id, t.user_id;
      UPDATE agent_statistics s
         SET raters = r.raters, rater_mean_sum = r.mean_sum
        FROM (SELECT agent_id, count(*) AS raters, sum(rating_sum::float8 / votes) AS mean_sum
                FROM agent_ratings GROUP BY agent_id) r
       WHERE r.agent_id = s.agent_id;
    `);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE agent_statistics DROP rater_mean_sum, DROP raters;
      DROP TABLE agent_ratings;
    `);
  }
}
