import type { EntityManager } from 'typeorm';

/**
 * Retires all agents of an account that is being deleted, in its transaction, and clears their descriptions. Their
 * bytes are deleted later.
 */
export async function retireAgentsOf(transaction: EntityManager, ownerId: string): Promise<void> {
  await transaction.query(
    `UPDATE agents
        SET status = 'retired', slug = 'deleted', name = 'Deleted agent', description = '', active_binary_id = NULL,
            moderation_reason = NULL, updated_at = now()
      WHERE owner_id = $1`,
    [ownerId],
  );
  await transaction.query(
    `UPDATE agent_binaries SET retired_at = coalesce(retired_at, now())
      WHERE agent_id IN (SELECT id FROM agents WHERE owner_id = $1)`,
    [ownerId],
  );
}
