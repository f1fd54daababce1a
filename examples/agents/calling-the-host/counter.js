/**
 * Counts how often each name was greeted, over all tasks. The counts are the agent's state: permissions {"kv": {}}.
 *
 *   in   {"name": "Ada"}
 *   out  {"name": "Ada", "count": 3}
 */
function agent({ name }) {
  if (typeof name !== 'string' || name === '') throw new InputRefused('Send {"name": "…"}.');
  // Another task may write between read and write: then the revision differs, and this one reads again.
  for (let left = 10; ; left--) {
    const { value, revision } = zerostate.kv.get(name);
    const count = (value ?? 0) + 1;
    try {
      zerostate.kv.put(name, count, { if_revision: revision });
      return { name, count };
    } catch (error) {
      if (error.code !== 'REVISION_CONFLICT' || left === 0) throw error;
    }
  }
}
