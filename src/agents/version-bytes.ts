import type { BlobHolder } from '../storage/index.js';

/** The stored bytes that versions need: see `BlobLedger`. */
export const VERSION_BYTES: BlobHolder = {
  // A version out of service keeps its bytes while a task may still run it.
  needs: `
    EXISTS (
      SELECT
        FROM agent_binaries b
        JOIN agents a ON a.id = b.agent_id
       WHERE b.storage_ref = blobs.ref
         AND ((b.retired_at IS NULL AND a.status <> 'retired')
              -- A worker may hold the ranking of an auction that was before.
              OR coalesce(b.retired_at, a.updated_at) > now() - $1 * interval '1 millisecond'
              OR EXISTS (SELECT FROM tasks t
                          WHERE t.status IN ('queued', 'assigned', 'running', 'input_required')
                            AND t.agent_id = b.agent_id AND t.version = b.version)))`,
  bytesOf: `
    SELECT coalesce(sum(b.size), 0)
      FROM agent_binaries b JOIN agents a ON a.id = b.agent_id
     WHERE a.owner_id = $1 AND b.storage_ref IS NOT NULL`,
  letGo: `
    UPDATE agent_binaries SET storage_ref = NULL, retired_at = coalesce(retired_at, now()) WHERE storage_ref = $1`,
};
