import { describe, expect, it } from '@jest/globals';
import { isContention, isDiskFull, lacksPrivilege, outageOf, takesNoWrites } from './outage.js';

const error = (message: string, fields: object = {}): Error => Object.assign(new Error(message), fields);
const reply = (message: string): Error => error(message, { name: 'ReplyError' });

describe('an outage', () => {
  it.each([
    ['database', 'a server that shuts down', error('', { code: '57P01' })],
    ['database', 'a full disk of PostgreSQL', error('', { code: '53100' })],
    ['database', 'a read error of its disk', error('', { code: '58030' })],
    ['database', 'a primary that has become a standby', error('', { code: '25006' })],
    ['database', 'a statement that the server gave up', error('', { code: '57014' })],
    ['database', 'a connection that was reset', error('', { code: 'ECONNRESET' })],
    ['database', 'a name that does not resolve now', error('', { code: 'EAI_AGAIN' })],
    ['database', 'a server that lets no connection in', error('timeout expired')],
    ['database', 'a server that fell silent', error('Query read timeout')],
    ['database', 'a connection that ended in the middle', error('Connection terminated unexpectedly')],
    ['queue', 'a Redis that loads its data', reply('LOADING Redis is loading the dataset in memory')],
    ['queue', 'a full Redis', reply("OOM command not allowed when used memory > 'maxmemory'.")],
    ['queue', 'a Redis that went away', error('Connection is closed.')],
    ['store', 'a full disk', error('', { code: 'ENOSPC' })],
  ])('of the %s: %s', (outage, _, cause) => {
    expect(outageOf(cause)).toBe(outage);
  });

  it.each([
    ['what the database refuses', error('no such column', { code: '42703' })],
    ['a mistake of our own', new TypeError("Cannot read properties of undefined (reading 'connect')")],
    ['a wrong argument of Node.js', error('', { code: 'ERR_INVALID_ARG_TYPE' })],
    ['a missing file', error('', { code: 'ENOENT' })],
    ['a right that Redis does not grant', reply("NOPERM this user has no permissions to run the 'info' command")],
    ['a database that does not exist', error('', { code: '3D000' })],
    ['what is no error', 'ECONNREFUSED'],
    ['nothing', undefined],
  ])('is not %s', (_, cause) => {
    expect(outageOf(cause)).toBeUndefined();
  });

  it('of a full disk, of a read-only database and a missing right can each be told from others', () => {
    const codes = ['ENOSPC', 'EDQUOT', '53100', '25006', '42501', '3F000', 'EIO', '53300'];
    const which = (judge: (cause: unknown) => boolean) => codes.filter((code) => judge(error('', { code })));
    expect(which(isDiskFull)).toEqual(['ENOSPC', 'EDQUOT', '53100']);
    expect(which(takesNoWrites)).toEqual(['25006']);
    expect(which(lacksPrivilege)).toEqual(['42501', '3F000']);
  });

  it('is not contention between transactions, which is told apart', () => {
    for (const code of ['40001', '40P01']) {
      expect([outageOf(error('', { code })), isContention(error('', { code }))]).toEqual([undefined, true]);
    }
    expect(isContention(error('', { code: '23505' }))).toBe(false);
  });
});
