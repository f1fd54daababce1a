import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';

/**
 * Ids for users that exist for one process each: such a process can neither read, trace nor signal another one, whatever
 * runs in it. The kernel asks for no entry in a list of users. From a range that nobody hands out: Linux distributions
 * give ordinary users ids up to 60,000 and containers those up to 1,879,048,191, systemd uses some from 2,147,352,576 on.
 */
const FIRST_ID = 1_879_048_192;
const LAST_ID = 2_147_352_575;

/** Somewhere, since servers of one machine share its ids; then each in turn, so that none comes twice in a server's life. */
let next = randomInt(FIRST_ID, LAST_ID + 1);

/** A user id that no other process has, also good as the id of its group. */
export function unusedUserId(): number {
  const id = next;
  next = id === LAST_ID ? FIRST_ID : id + 1;
  return id;
}

/** Whether the user namespace of this process has these ids: those of rootless containers have some tens of thousands. */
export const hasUnusedUserIds = (): boolean =>
  ['uid_map', 'gid_map'].every((map) => {
    try {
      const ranges = readFileSync(`/proc/self/${map}`, 'utf8').trim().split('\n');
      return ranges.some((range) => {
        const [first, , length] = range.trim().split(/\s+/).map(Number);
        return first <= FIRST_ID && LAST_ID < first + length;
      });
    } catch {
      return true; // A kernel without user namespaces.
    }
  });
