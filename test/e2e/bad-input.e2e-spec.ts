import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { api, expectStatus, login, loginAdmin, registerUser, waitForTask, type TestUser } from '../support/client.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { startServer, type ServerProcess } from '../support/server.js';
import { agent, publish, submit } from './agents.js';
import { faultOf, read, type RawAnswer } from './problems.js';
import { ask, contentOf } from './rows.js';
import { forgeToken, inSeconds } from './tokens.js';

const JWT_SECRET = 'a secret of the tests, long enough to sign';
const UNKNOWN_ID = '01900000-0000-7000-8000-000000000000';
/** Deeper than any parser may follow. */
const DEEP_ARRAY = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
const DEEP_OBJECT = `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
/** Bytes as a header carries them: HTTP knows no other characters. */
const latin1 = (text: string): string => Buffer.from(text).toString('latin1');
/** Nothing that any header means. Control characters but the tab are refused before there is a request. */
const HOSTILE = [
  '',
  ' ',
  'nope',
  '-1',
  '1e400',
  '9'.repeat(400),
  'NaN',
  'null',
  '*/*',
  'a\tb',
  '"',
  ',,,,',
  ';=;',
  `' OR '1'='1`,
  `'; DROP TABLE tasks; --`,
  '${jndi:ldap://x}',
  '../../../etc/passwd',
  '%00',
  '%0d%0aSet-Cookie: a=b',
  '__proto__',
  'constructor',
  '{"$gt":""}',
  latin1('💩'),
  latin1('\u202eключ'),
  '\u0080\u00ff',
  'a'.repeat(8000),
  '('.repeat(8000),
];
const COUNT_TASKS = 'SELECT count(*)::int AS n FROM tasks';
/** Members that may be any JSON: the input of a task, and the answer to a question. */
const ANYTHING = ['input', 'answer'];

/** Members that are given instead of another one. Valid bodies have the other one. */
const ALTERNATIVE_TO: Record<string, string> = { input_ref: 'input', run_at: 'delay_ms' };
/** Requests under way at a time. */
const WIDTH = 8;

/** One route as the server's own OpenAPI document describes it. */
interface Operation {
  id: string;
  method: string;
  path: string;
  bearer: boolean;
  /** Who may call it: `x-access` of the document. */
  policy: string;
  /** Media type of the body it reads. */
  reads?: string;
  schema?: Schema;
  query: string[];
  headers: string[];
  /** Statuses it may answer, with their media types. */
  answers: Record<string, string[]>;
}

interface Schema {
  $ref?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  example?: unknown;
  enum?: unknown[];
  type?: string;
  nullable?: boolean;
}

interface Attack {
  operation: Operation;
  /** Shown when the answer is wrong. */
  what: string;
  /** Instead of the operation's path with ids that exist. */
  path?: string;
  headers?: Record<string, string>;
  body?: RequestInit['body'];
  expected: number[];
}

/** Whether it cannot be the name of a new secret. */
const isNoName = (name: string): boolean => !/^[A-Za-z]\w{0,63}$/.test(name);

/** Everything below is refused on every route it applies to, by the rule the OpenAPI document gives for that route. */
describe('bad input', () => {
  let database: TestDatabase;
  let server: ServerProcess;
  let user: TestUser;
  let adminToken: string;
  let userId: string;
  let agentId: string;
  let taskId: string;
  let keyId: string;
  let disputeId: string;
  let webhookId: string;
  /** Where a document can be downloaded for some minutes. */
  let link: string;
  let operations: Operation[];
  let schemas: Record<string, Schema>;

  beforeAll(async () => {
    database = await createTestDatabase();
    server = await startServer({
      // A body that is too large for one route is so for each.
      env: {
        DATABASE_URL: database.url,
        JWT_SECRET,
        MAX_INPUT_BLOB_BYTES: String(1024 * 1024),
        EXAMPLE_AGENTS: 'compiled',
        SECRETS_KEY: 'the key of this test, thirty-two characters',
      },
    });
    user = await registerUser(server.url);
    adminToken = await loginAdmin(server.url);
    userId = (await api(server.url).get('/auth/me', { token: user.token })).body.id;
    agentId = await publish(server.url, user.token, 'hex', await hexOfInput(), { capabilities: ['hex'] });
    // With documents of its own, so that they can be downloaded.
    const input = await api(server.url).post('/tasks/inputs', { any: 'document' }, { token: user.token });
    const documents = { input: undefined, input_ref: expectStatus(input, 201).body.input_ref, result_as: 'ref' };
    taskId = await submit(server.url, user.token, 'hex', documents);
    await waitForTask(server.url, user.token, taskId, 'completed');
    const download = await api(server.url).get(`/tasks/${taskId}/input`, { token: user.token });
    link = expectStatus(download, 302).headers.get('location') as string;
    keyId = (await createKey(['tasks:read'])).id;
    disputeId = await disputeWithSeller();
    webhookId = await pausedWebhook();
    const document: any = await (await fetch(`${server.url}/docs-json`)).json();
    schemas = document.components.schemas;
    operations = operationsOf(document);
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
  });

  describe('is refused, and changes nothing:', () => {
    let before: Record<string, string>;

    beforeEach(async () => {
      before = await contentOf(database.url);
    });

    afterEach(async () => {
      expect(await contentOf(database.url)).toEqual(before);
    });

    it('a token that is missing, expired, forged or garbage', async () => {
      const claims = { sub: userId, sid: UNKNOWN_ID, role: 'user', iat: inSeconds(-60) };
      const valid = forgeToken({ ...claims, exp: inSeconds(60) }, JWT_SECRET);
      const [header, , signature] = valid.split('.');
      const admin = Buffer.from(JSON.stringify({ ...claims, role: 'admin', exp: inSeconds(60) })).toString('base64url');
      const credentials: Record<string, string | undefined> = {
        none: undefined,
        empty: '',
        'another scheme': `Basic ${Buffer.from('a:b').toString('base64')}`,
        'no token': 'Bearer ',
        garbage: 'Bearer garbage',
        'three dots': 'Bearer ...',
        'not only a token': `Bearer ${valid} ${valid}`,
        expired: `Bearer ${forgeToken({ ...claims, exp: inSeconds(-1) }, JWT_SECRET)}`,
        'not valid yet': `Bearer ${forgeToken({ ...claims, nbf: inSeconds(3600), exp: inSeconds(7200) }, JWT_SECRET)}`,
        "another server's": `Bearer ${forgeToken({ ...claims, exp: inSeconds(60) }, 'x'.repeat(40))}`,
        'not signed': `Bearer ${forgeToken({ ...claims, exp: inSeconds(60) }, null)}x`,
        'not signed at all': `Bearer ${forgeToken({ ...claims, exp: inSeconds(60) }, null)}`,
        'a higher role': `Bearer ${header}.${admin}.${signature}`,
        'no subject': `Bearer ${forgeToken({ role: 'admin', exp: inSeconds(60) }, JWT_SECRET)}`,
        'an odd subject': `Bearer ${forgeToken({ ...claims, sub: `' OR 1=1`, exp: inSeconds(60) }, JWT_SECRET)}`,
        'no session': `Bearer ${forgeToken({ sub: userId, role: 'user', exp: inSeconds(60) }, JWT_SECRET)}`,
        'an odd role': `Bearer ${forgeToken({ ...claims, role: 'root', exp: inSeconds(60) }, JWT_SECRET)}`,
        'very long': `Bearer ${'a'.repeat(8000)}`,
      };
      const closed = operations.filter(({ bearer }) => bearer);
      await refused(
        closed.flatMap((operation) =>
          Object.entries(credentials).map(([what, authorization]) => ({
            operation,
            what,
            headers: { authorization: authorization as string },
            body: validBody(operation),
            expected: [401],
          })),
        ),
      );
    });

    it('an id that is unknown, malformed, hostile or endless', async () => {
      const ids = [
        UNKNOWN_ID,
        UNKNOWN_ID.replaceAll('0', 'z'),
        'nope-nope',
        '%00',
        `${UNKNOWN_ID}%00`,
        encodeURIComponent(`' OR '1'='1`),
        encodeURIComponent(`'; DROP TABLE tasks; --`),
        encodeURIComponent('../../../etc/passwd'),
        encodeURIComponent('${jndi:ldap://x}'),
        '💩',
        '%ED%A0%80',
        '%zz',
        '-1',
        'null',
        '__proto__',
        'constructor',
        'a'.repeat(7000),
      ];
      const addressed = operations.filter(({ path }) => path.includes('{'));
      expect(addressed.length).toBeGreaterThan(0);
      await refused(
        addressed.flatMap((operation) =>
          parametersOf(operation.path).flatMap((parameter) =>
            (operation.id === 'setSecret' && parameter === 'name' ? ids.filter(isNoName) : ids).map((id) => ({
              operation,
              what: `${parameter} ${id.slice(0, 50)}`,
              path: operation.path.replace(`{${parameter}}`, id),
              body: validBody(operation),
              expected: [404, 400],
            })),
          ),
        ),
      );
    });

    it("an id of somebody else's, answered like one that is unknown", async () => {
      const stranger = (await registerUser(server.url)).token;
      before = await contentOf(database.url);
      // The card of an agent on the market is for everybody.
      const addressed = operations.filter(
        ({ id, path, bearer, policy }) =>
          path.includes('{id}') && bearer && policy !== 'admin' && id !== 'getAgentCard',
      );
      expect(addressed.length).toBeGreaterThan(15);
      // Otherwise 404 would be the answer to everybody.
      // The agent has kept no state, and nothing was delivered, that their owner could read.
      const none = ['getAgentState', 'getDelivery'];
      const own = addressed.filter(
        ({ method, id }) => (method === 'GET' && !none.includes(id)) || id === 'activateVersion',
      );
      const ofOwner = await answered(own.map((operation) => ({ operation, what: 'the owner', expected: [200, 302] })));
      expect(ofOwner.filter(({ attack, answer }) => !attack.expected.includes(answer.status))).toEqual([]);
      const answers = await refused(
        addressed.map((operation) => ({ operation, what: 'a stranger', body: validBody(operation), expected: [404] })),
        stranger,
      );
      const codes = new Set(answers.map(({ answer }) => JSON.parse(answer.text).code));
      expect([...codes]).toEqual(['NOT_FOUND']);
    });

    it('a body that is not JSON', async () => {
      const bodies: (string | Uint8Array)[] = [
        '{',
        '}',
        '{"a":',
        '{"a":1}}',
        '[1,2',
        '{a:1}',
        "{'a':1}",
        '{"a":1,}',
        'undefined',
        'NaN',
        '\u0000',
        '{"a":"\u0000"}',
        Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d),
        Buffer.from('{"a":"é"}', 'latin1'),
        '\ufeff{}',
        '\u00a0{}',
      ];
      const written = operations.filter(({ method }) => method !== 'GET');
      await refused(
        written.flatMap((operation) =>
          bodies.map((body) => attack(operation, 'not JSON', body, onRead(operation, 400))),
        ),
      );
    });

    it('a body that is JSON but no object', async () => {
      const bodies = ['null', 'true', '7', '"text"', '[]', '[{}]', DEEP_ARRAY];
      await refused(
        readingJson().flatMap((operation) => bodies.map((body) => attack(operation, 'no object', body, [400]))),
      );
    });

    it('a document that is no JSON, or is null, where any other would do', async () => {
      const documents = [
        '',
        ' ',
        'null',
        ' null ',
        '1 2',
        '{} {}',
        'nul',
        '"open',
        '01',
        '+1',
        '0x10',
        '1.',
        '.5',
        '1e',
        'Infinity',
        String.raw`"\u12"`,
        String.raw`"\x41"`,
        '"a\tb"',
        '{"a" 1}',
        '{"a":1 "b":2}',
        '[1 2]',
        '\ufeff{}',
        '\u00a0{}',
        DEEP_ARRAY,
        DEEP_OBJECT,
      ];
      const anything = operations.filter(({ reads, schema }) => reads === 'application/json' && !schema?.$ref);
      await refused(
        anything.flatMap((operation) =>
          documents.map((document) => attack(operation, document.slice(0, 20), document, [400])),
        ),
      );
    });

    it('a member of the wrong type', async () => {
      // None of them is right for any member of any body, but for those that may be anything.
      const wrong = [
        'true',
        '-1',
        '1e999',
        '-1e999',
        '123456789012345678901234567890',
        '{}',
        '[[]]',
        '[{}]',
        '[null]',
        '{"$gt":""}',
        '{"length":1e9}',
        String.raw`"\u0000"`,
        String.raw`"\ud800"`,
        JSON.stringify('x'.repeat(5000)),
        DEEP_ARRAY,
        DEEP_OBJECT,
      ];
      await refused(
        readingJson().flatMap((operation) =>
          membersOf(operation)
            .filter((member) => !ANYTHING.includes(member))
            .flatMap((member) =>
              wrong.map((value) =>
                // Any text is a password to try.
                attack(operation, `a wrong ${member}`, withMember(operation, member, value), [
                  400,
                  ...(operation.id === 'login' && member === 'password' ? [401] : []),
                  ...(operation.id === 'loginInBrowser' && member === 'password' ? [403] : []),
                  ...(member === 'current_password' ? [422] : []),
                  ...(operation.id === 'deleteOwnAccount' ? [422] : []),
                ]),
              ),
            ),
        ),
      );
    });

    it('a number in the form of a string, but for amounts of money', async () => {
      const attacks = readingJson().flatMap((operation) =>
        membersOf(operation)
          .filter((member) =>
            ['number', 'integer'].includes(resolved(resolved(operation.schema).properties![member]).type ?? ''),
          )
          .map((member) => attack(operation, `${member} as text`, withMember(operation, member, '"1"'), [400])),
      );
      expect(attacks.map(({ what }) => what)).toEqual(expect.arrayContaining(['timeout_ms as text', 'rating as text']));
      await refused(attacks);
    });

    it('a text that is blank where a person is to read it', async () => {
      const attacks = readingJson().flatMap((operation) =>
        membersOf(operation)
          .filter((member) => ['reason', 'message', 'name'].includes(member))
          .map((member) => attack(operation, `a blank ${member}`, withMember(operation, member, '" \\n "'), [400])),
      );
      expect(new Set(attacks.map(({ operation }) => operation.id))).toEqual(
        new Set([
          'blockAgent',
          'drainQueue',
          'announce',
          'createAgent',
          'updateAgent',
          'createApiKey',
          'suspendAccount',
          'grantCredits',
          'correctCredits',
          'openDispute',
          'rejectPayout',
        ]),
      );
      await refused(attacks);
    });

    it('a member that is too long, and looks half as long', async () => {
      const attacks = readingJson().flatMap((operation) =>
        membersOf(operation).flatMap((member) => {
          const { maxLength } = resolved(operation.schema).properties![member] as { maxLength?: number };
          if (!maxLength) return [];
          const value = JSON.stringify('\u263a\ufe0f'.repeat(maxLength / 2 + 1));
          return attack(operation, `a long ${member}`, withMember(operation, member, value), [400]);
        }),
      );
      expect(attacks.length).toBeGreaterThan(5);
      await refused(attacks);
    });

    it('a slug that addresses would take for an id', async () => {
      const operation = readingJson().find(({ id }) => id === 'createAgent')!;
      const slug = JSON.stringify('01993c5e-0b1d-7a52-8c3e-2f4a6b8c0d1e');
      await refused([attack(operation, 'a slug like an id', withMember(operation, 'slug', slug), [400])]);
    });

    it('a member that is null where nothing says that it may be', async () => {
      await refused(
        readingJson().flatMap((operation) =>
          membersOf(operation)
            .filter((member) => member !== 'answer' && !resolved(operation.schema).properties![member].nullable)
            .map((member) => attack(operation, `${member} is null`, withMember(operation, member, 'null'), [400])),
        ),
      );
    });

    it('a member that is missing', async () => {
      await refused(
        readingJson().flatMap((operation) =>
          (resolved(operation.schema).required ?? []).map((member) => {
            const { [member]: _, ...rest } = validMembers(operation);
            return attack(operation, `no ${member}`, JSON.stringify(rest), [400]);
          }),
        ),
      );
    });

    it('a member that nobody knows, named in the answer', async () => {
      const names = ['surplus', 'id', 'role', 'user_id', '__proto__', 'constructor', 'prototype', 'hasOwnProperty', ''];
      const attacks = readingJson().flatMap((operation) => [
        ...names.map((name) => attack(operation, name, withMember(operation, name, '{"admin":true}'), [400])),
        attack(operation, 'deep', withMember(operation, 'deep', DEEP_ARRAY), [400]),
      ]);
      const answers = await refused(attacks);
      const unnamed = answers.filter(({ what, answer }) => {
        const errors = (JSON.parse(answer.text).errors ?? []) as { field: string }[];
        return what !== 'deep' && !errors.some(({ field }) => field === what);
      });
      expect(unnamed.map(({ what, answer }) => `${what}: ${answer.text}`)).toEqual([]);
    });

    it('a body of another media type, charset or encoding', async () => {
      const types: Record<string, string>[] = [
        { 'content-type': 'text/plain' },
        { 'content-type': 'application/x-www-form-urlencoded' },
        { 'content-type': 'application/xml' },
        { 'content-type': 'application/octet-stream' },
        { 'content-type': 'garbage' },
        { 'content-type': 'application/json', 'content-encoding': 'garbage' },
        { 'content-type': 'application/json; charset=iso-8859-1' },
        { 'content-type': 'application/json;charset="UTF-16"' },
      ];
      const written = operations.filter(({ method }) => method !== 'GET');
      await refused([
        ...written.flatMap((operation) =>
          types.map((headers) => ({
            // The query of a signed address is looked at first.
            ...attack(operation, JSON.stringify(headers), 'a=b', operation.id === 'bringDeposit' ? [415, 400] : [415]),
            headers,
          })),
        ),
        ...readingJson().map((operation) => ({
          ...attack(operation, 'a form', undefined, [415]),
          body: form(validMembers(operation)),
          headers: {},
        })),
        ...written
          .filter(({ reads }) => reads === 'multipart/form-data')
          .map((operation) => attack(operation, 'JSON', '{}', [415])),
        ...readingJson().map((operation) => ({
          ...attack(operation, 'not gzip', 'a=b', [400]),
          headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
        })),
      ]);
    });

    it('a body that is too large, also when it is so only once it is unpacked', async () => {
      const large = JSON.stringify({ surplus: 'x'.repeat(2 * 1024 * 1024) });
      const bomb = gzipSync(JSON.stringify({ surplus: 'x'.repeat(50 * 1024 * 1024) }));
      const written = operations.filter(({ method }) => method !== 'GET');
      await refused(
        written.flatMap((operation) => [
          attack(operation, 'large', large, onRead(operation, 413)),
          {
            ...attack(operation, 'bomb', bomb, onRead(operation, 413)),
            headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
          },
        ]),
      );
      const [submission] = operations.filter(({ id }) => id === 'submitTask');
      const input = JSON.stringify('x'.repeat(1024 * 1024));
      await refused([attack(submission, 'an input', withMember(submission, 'input', input), [413])]);
    });

    it('a body of very many members, in a few words', async () => {
      const many = `{${Array.from({ length: 5_000 }, (_, index) => `"${index.toString(36)}":0`).join()}}`;
      const elements = `[${Array.from({ length: 5_000 }, (_, index) => index).join()}]`;
      const answers = await refused(
        readingJson().flatMap((operation) => [
          attack(operation, 'many members', many, [400]),
          ...membersOf(operation)
            .filter((member) => !ANYTHING.includes(member))
            .map((member) =>
              attack(operation, `many elements of ${member}`, withMember(operation, member, elements), [400]),
            ),
        ]),
      );
      expect(answers.filter(({ answer }) => answer.text.length > 1000).map(({ what }) => what)).toEqual([]);
    });

    it('a header that is hostile or endless, where it is not ignored', async () => {
      const withHeader = (name: string, values: string[], expected: number[]): Attack[] =>
        operations
          .filter(({ headers }) => headers.includes(name))
          .flatMap((operation) =>
            values.map((value) => ({
              ...attack(operation, `${name}: ${value.slice(0, 50)}`, validBody(operation), expected),
              headers: { 'content-type': 'application/json', [name]: value },
            })),
          );
      const noKeys = [
        '',
        'two words',
        'a\tb',
        latin1('ключ'),
        latin1('💩'),
        '\u0080',
        'a'.repeat(256),
        'a'.repeat(8000),
      ];
      const noEncodings = HOSTILE.filter((value) => value.trim() !== '');
      await refused([
        ...withHeader('Idempotency-Key', noKeys, [400]),
        ...withHeader('Content-Encoding', [...noEncodings, 'gzip, gzip', 'identity;q=1'], [415]),
        ...withHeader('Content-Encoding', ['gzip', 'GZIP', 'br', 'deflate'], [400]),
      ]);
    });

    it('a query that is malformed', async () => {
      const wrong: Record<string, string[]> = {
        limit: ['0', '-1', '101', '1.5', 'abc', '', '1e400', 'limit', '%00', `1'--`],
        cursor: ['nope', '%00', `'`, `${UNKNOWN_ID}%00`, '', '%zz'],
        status: ['nope', '%00', '', 'QUEUED', '__proto__'],
        capability: ['%00', '', 'Nope', `'`, 'a'.repeat(100)],
        mine: ['nope', '1', '%00'],
        after_seq: ['-1', '1.5', 'abc', '1e400', '99999999999999999999', '%00'],
        role: ['nope', '', '%00'],
        suspended: ['nope', '', '1'],
        email: ['nope', '', '%00', `'@'`],
        owner_id: ['nope', '', `'`],
        user_id: ['nope', '', `'`],
        parent_id: ['nope', '', `'`],
        context_id: ['', '%00', 'a b', `'`, 'a'.repeat(65)],
        key_id: ['nope', '', `'`, '%00'],
        address: ['nope', '', '1.2.3', `'`],
        expires: ['nope', '-1', '1e400'],
        filename: ['%00', 'a/b', '%22'],
        format: ['nope', '%00', ''],
        verify: ['nope', '1', '%00', ''],
        type: ['%00', 'nope', 'a/b%0d%0a'],
        signature: ['', '%00', 'nope'],
        size: ['0', '-1', 'abc', '1e400'],
        sha256: ['', '%00', 'nope', 'A'.repeat(64)],
        redirect: ['nope', '1', '%00', ''],
        kind: ['nope', '', '%00'],
        task_id: ['nope', '', `'`],
        from: ['nope', '', '2026-02-30T00:00:00Z', '%00'],
        to: ['nope', '', '2026-02-30T00:00:00Z', '%00'],
        prefix: ['%00', 'a'.repeat(600)],
        // Any key is a place in the list.
        'listAgentState cursor': ['%00', 'a'.repeat(600)],
        state: ['nope', '', '%00'],
        month: ['nope', '', '2026-13', '2026', '%00'],
        all: ['nope', '1', '%00', ''],
        version: ['nope', '%00', '1', `1.0.0'`, '1.0.0%00', `1.0.0-${'a'.repeat(100)}`],
      };
      const asked = operations.filter(({ query }) => query.length > 0);
      await refused(
        asked.flatMap((operation) => [
          ...operation.query.flatMap((name) => [
            ...(wrong[`${operation.id} ${name}`] ?? wrong[name]).map((value) => query(operation, `${name}=${value}`)),
            query(operation, `${name}[a]=1`),
            query(operation, `${name}=x&${name}=y`),
          ]),
          query(operation, 'surplus=1'),
          query(operation, 'constructor=1'),
        ]),
      );
    });

    it('an act that needs another role', async () => {
      const admins = operations.filter(({ policy }) => policy === 'admin');
      expect(admins.length).toBeGreaterThan(5);
      await refused(
        admins.map((operation) => ({ operation, what: 'a user', body: validBody(operation), expected: [403] })),
        user.token,
      );
    });

    it('an act beyond the scopes of an API key, and a key that is none', async () => {
      const closed = operations.filter(({ bearer }) => bearer);
      const scopes = [...new Set(closed.map(({ policy }) => policy))].filter((policy) => policy !== 'session');
      const keys = new Map<string, string>();
      for (const scope of scopes) {
        const others = scopes.filter((other) => other !== scope && other !== 'admin');
        keys.set(scope, (await createKey(others)).key);
      }
      keys.set('session', (await createKey(scopes.filter((scope) => scope !== 'admin'))).key);
      before = await contentOf(database.url);
      const withKey = (operation: Operation, what: string, key: string, expected: number[]): Attack => ({
        operation,
        what,
        headers: { authorization: undefined as never, 'x-api-key': key },
        body: validBody(operation),
        expected,
      });
      const garbage = ['', 'garbage', 'zsk_', `zsk_${'a'.repeat(43)}`, `zsk_${'a'.repeat(8000)}`, "' OR 1=1"];
      await refused(
        closed.flatMap((operation) => [
          withKey(operation, `a key without ${operation.policy}`, keys.get(operation.policy) as string, [403]),
          ...garbage.map((key) => withKey(operation, 'garbage', key, [401])),
        ]),
      );
    });

    it('a route or method there is not', async () => {
      const nowhere: [string, string][] = [
        ['GET', '/nope'],
        ['GET', '/api/v1'],
        ['GET', '/api/v1/nope'],
        ['PUT', '/api/v1/tasks'],
        ['DELETE', `/api/v1/tasks/${taskId}`],
        ['PATCH', `/api/v1/tasks/${taskId}`],
        ['POST', '/api/v1/tasks/batch/more'],
        ['GET', '/api/v1/%zz'],
        ['GET', '/api/v1/agents/x/y/z'],
        ['GET', '/health'],
        ['GET', '/%2e%2e/%2e%2e/etc/passwd'],
        ['GET', '/docs/..%2f..%2fpackage.json'],
      ];
      const [operation] = operations;
      const attacks = nowhere.map(([method, path]) => ({
        operation: { ...operation, method, path },
        what: 'nowhere',
        path,
        expected: [404, 400],
      }));
      await refused(attacks);
      await refused(
        attacks.map((one) => ({
          ...one,
          operation: { ...one.operation, method: 'POST' },
          headers: { 'content-type': 'text/plain' },
          body: 'text',
          expected: [404, 415],
        })),
      );
    });
  });

  it('in a header that may be ignored is answered as documented, and changes nothing else', async () => {
    const special: Record<string, string[]> = {
      Range: [
        'bytes',
        'bytes=',
        'bytes=-',
        'bytes=-0',
        'bytes=--1',
        'bytes=1-0',
        'bytes=-1-2',
        'bytes=0x1-0x2',
        'bytes=1e3-',
        'items=0-1',
        `bytes=${'9'.repeat(30)}-`,
        `bytes=0-${'9'.repeat(30)}`,
        `bytes=${'0-0,'.repeat(1500)}`,
        `bytes=${Array.from({ length: 500 }, (_, index) => `${2 * index}-${2 * index}`).join(',')}`,
      ],
      Prefer: ['wait', 'wait=', 'wait=-1', 'wait=1.5', 'wait=1e9', `wait=${'9'.repeat(30)}`, 'wait="', 'wait=abc'],
      'Idempotency-Key': ['.', '~'.repeat(255)],
      'Last-Event-ID': ['1.5', '1e3', '9007199254740993', '999999999999999', '-0'],
      'If-None-Match': ['""', 'W/"', '"a", "b"', `${'"a",'.repeat(2000)}`],
      'If-Range': ['""', 'W/"a"', 'Thu, 99 Nov 2026 99:99:99 GMT'],
    };
    const accepted = (name: string, value: string): boolean =>
      name !== 'Content-Encoding' && (name !== 'Idempotency-Key' || /^[!-~]{1,255}$/.test(value));
    const attacks = operations.flatMap((operation) =>
      operation.headers.flatMap((name) =>
        [...HOSTILE, ...(special[name] ?? [])]
          .filter((value) => accepted(name, value))
          .flatMap((value) =>
            variantsOf(operation).map(({ path, headers }) => ({
              operation,
              what: `${name}: ${value.slice(0, 50)}`,
              path,
              // A range as it is, unless it is what is odd.
              headers: { ...(name === 'If-Range' && { range: 'bytes=0-1' }), ...headers, [name]: value },
              body: validBody(operation),
              expected: Object.keys(operation.answers).map(Number),
            })),
          ),
      ),
    );
    expect(new Set(attacks.map(({ what }) => what.split(':')[0]))).toEqual(new Set(Object.keys(special)));
    const [reads, writes] = [true, false].map((is) =>
      attacks.filter(({ operation }) => (operation.method === 'GET') === is),
    );

    const before = await contentOf(database.url);
    const faults = (await answered(reads)).flatMap(undocumented);
    expect(await contentOf(database.url)).toEqual(before);

    const tasks = async (): Promise<number> => (await ask<{ n: number }>(database.url, COUNT_TASKS))[0].n;
    const already = await tasks();
    const answers = await answered(writes);
    expect([...faults, ...answers.flatMap(undocumented)]).toEqual([]);
    const submitted = answers.filter(({ answer }) => answer.status < 300).flatMap(({ answer }) => idsIn(answer.text));
    expect(new Set(submitted).size).toBe((await tasks()) - already);
    for (const id of new Set(submitted)) await waitForTask(server.url, user.token, id, 'completed', 60_000);
  });

  describe('that is legal JSON, though odd,', () => {
    /** The agent is to see exactly this, and so is whoever reads the task. */
    const odd = [
      '{"n":1e999}',
      '[-1e999,9007199254740993,1.0,-0,1E+2,0.10]',
      '{"b":1,"a":2,"b":3,"2":0,"1":0}',
      '{ "spaced" : [ 1 ,2 ] }',
      String.raw`"\u00e9\/"`,
      String.raw`{"text":"\u0000"}`,
      String.raw`{"\u0000":1}`,
      String.raw`"\ud800"`,
      String.raw`{"\udc00\ud800":["\udfff"]}`,
      '{"constructor":{"prototype":{"admin":true}}}',
      '{"__proto__":{"admin":true}}',
      '{"toString":null,"hasOwnProperty":1,"toJSON":"x","then":{}}',
      '{"":""}',
      '{"input":{"input":{"budget":"x"}}}',
      '[]',
      '[[[[[[[[[[[[]]]]]]]]]]]]',
      '"text"',
      '0',
      'false',
      '-1.7976931348623157e+308',
      '5e-324',
      String.raw`"\\u0000 ' \" $1 $$ {} %s \b\f\n\r\t"`,
      '"\u007f\u0085\u2028\u2029\ufeff\uffff💩"',
      `${'['.repeat(199)}${']'.repeat(199)}`,
      JSON.stringify('x'.repeat(20_000)),
    ];

    it('reaches the agent unchanged, and harms nothing that is written together with it', async () => {
      const goods = Array.from({ length: 50 }, (_, index) => JSON.stringify({ good: index }));
      const refusedOnes = [DEEP_ARRAY, 'null', ' null '];
      const [submission] = operations.filter(({ id }) => id === 'submitTask');
      const bodyWith = (input: string) =>
        `{"required_capabilities":["hex"],"budget":1,"description":"odd","input":${input}}`;
      // Interleaved, and all at once: they share the statements that write them.
      const inputs = goods.flatMap((good, index) => [
        good,
        ...odd.slice(index, index + 1),
        ...refusedOnes.slice(index, index + 1),
      ]);
      const answers = await Promise.all(
        inputs.map(async (input) => ({
          input,
          answer: await send(attack(submission, input, bodyWith(input), []), user.token),
        })),
      );
      const faults = answers
        .filter(({ input }) => refusedOnes.includes(input))
        .map(({ answer }) => faultOf(answer, [400]));
      expect(faults).toEqual(refusedOnes.map(() => undefined));

      const accepted = answers.filter(({ input }) => !refusedOnes.includes(input));
      expect(accepted.map(({ answer }) => answer.status)).toEqual(accepted.map(() => 202));
      for (const { input, answer } of accepted) {
        const { id } = JSON.parse(answer.text) as { id: string };
        const task = await waitForTask(server.url, user.token, id, 'completed', 60_000);
        expect(Buffer.from(task.result as string, 'hex').toString()).toBe(input);
        // What reads of the task, and of its events, shows it again.
        const shown = await fetch(`${server.url}/api/v1/tasks/${id}`, {
          headers: { authorization: `Bearer ${user.token}` },
        });
        expect(await shown.text()).toContain(`"input":${input},"input_ref"`);
      }
      expect(({} as { admin?: unknown }).admin).toBeUndefined();
    });

    it('leaves a server that works', async () => {
      const id = await submit(server.url, user.token, 'hex');
      await waitForTask(server.url, user.token, id, 'completed');
      expect(server.stdout()).not.toMatch(/"level":"(error|fatal)"/);
      expect((await fetch(`${server.url}/health/ready`)).status).toBe(200);
    });
  });

  it('from an account that is gone fails that account alone', async () => {
    const gone = await registerUser(server.url);
    const balance = 'DELETE FROM ledger_balances WHERE user_id = (SELECT id FROM users WHERE email = $1)';
    for (const sql of [balance, 'DELETE FROM users WHERE email = $1']) await ask(database.url, sql, [gone.email]);
    const task = { required_capabilities: ['hex'], budget: 1, input: {} };
    const answers = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        api(server.url).post('/tasks', task, { token: index % 3 === 0 ? gone.token : user.token }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map((_, index) => (index % 3 === 0 ? 401 : 202)));
    const card = { slug: 'orphan', name: 'Orphan', capabilities: [], price: 1 };
    expect((await api(server.url).post('/agents', card, { token: gone.token })).body.code).toBe('ACCOUNT_GONE');
    const key = { name: 'orphan', scopes: ['tasks:read'] };
    expect((await api(server.url).post('/auth/api-keys', key, { token: gone.token })).body.code).toBe('ACCOUNT_GONE');
    expect((await api(server.url).get('/auth/me', { token: gone.token })).body.code).toBe('ACCOUNT_GONE');
    await expect(login(server.url, gone)).rejects.toThrow('WRONG_CREDENTIALS');
  });

  /** The status of a JSON body that is bad, where the route reads JSON at all. */
  const onRead = ({ id, reads }: Operation, status: number): number[] =>
    reads === undefined || reads === 'application/json' ? [status] : [id === 'bringDeposit' ? 400 : 415];

  /** A route that takes any JSON has no members to get wrong. */
  const readingJson = (): Operation[] =>
    operations.filter(({ reads, schema }) => reads === 'application/json' && schema?.$ref);

  const resolved = (schema: Schema = {}): Schema =>
    schema.$ref ? resolved(schemas[schema.$ref.split('/').at(-1) as string]) : schema;

  const membersOf = (operation: Operation): string[] => Object.keys(resolved(operation.schema).properties ?? {});

  /** The example of each member. */
  function validMembers(operation: Operation): Record<string, unknown> {
    const example = (schema: Schema): unknown => {
      const { properties, example: given, enum: choices, type } = resolved(schema);
      if (given !== undefined) return given;
      if (choices) return choices[0];
      if (type === 'boolean') return false;
      return Object.fromEntries(Object.entries(properties ?? {}).map(([name, member]) => [name, example(member)]));
    };
    const members = example(operation.schema ?? {}) as Record<string, unknown>;
    const alternatives = Object.keys(ALTERNATIVE_TO);
    return Object.fromEntries(Object.entries(members).filter(([name]) => !alternatives.includes(name)));
  }

  /** The valid body with one member in addition, or instead of the one there was. `value` is JSON text of any depth. */
  function withMember(operation: Operation, name: string, value: string): string {
    const replaced = [name, ALTERNATIVE_TO[name]];
    const others = Object.entries(validMembers(operation)).filter(([member]) => !replaced.includes(member));
    const members = others.map(([member, other]) => `${JSON.stringify(member)}:${JSON.stringify(other)}`);
    return `{${[...members, `${JSON.stringify(name)}:${value}`].join(',')}}`;
  }

  function validBody(operation: Operation): Attack['body'] {
    if (operation.reads === 'application/json') return JSON.stringify(validMembers(operation));
    // Without the file, so that an upload which is let through still adds no version.
    return operation.reads ? form({ name: 'nobody' }) : undefined;
  }

  const attack = (operation: Operation, what: string, body: Attack['body'], expected: number[]): Attack => ({
    operation,
    what,
    headers: { 'content-type': 'application/json' },
    body,
    expected,
  });

  const query = (operation: Operation, search: string): Attack => ({
    operation,
    what: search,
    path: `${operation.path}?${search}`,
    expected: [400],
  });

  /** Something that exists, for a parameter of a path. */
  function existing(path: string, parameter: string): string {
    if (parameter === 'version') return '1.0.0';
    if (parameter === 'name') return 'TOKEN';
    if (parameter === 'ref') return link.split(/[/?]/).at(-2)!;
    if (parameter === 'cid') return `b${'a'.repeat(58)}`;
    if (path.includes('/agents/')) return agentId;
    if (path.includes('/users/')) return userId;
    if (path.includes('/disputes/')) return disputeId;
    if (parameter === 'delivery') return UNKNOWN_ID;
    if (path.includes('/webhooks/')) return webhookId;
    return /\/(api-)?keys\//.test(path) ? keyId : taskId;
  }

  /** In which ways an operation is asked, for each of which a header may mean something else. */
  function variantsOf({ id, path, query, answers }: Operation): { path?: string; headers?: Record<string, string> }[] {
    if (id === 'downloadBlob') return [{ path: link }];
    if (query.includes('redirect')) return [{}, { path: `${path}?redirect=false` }];
    if (answers[200]?.includes('text/event-stream')) return [{}, { headers: { accept: 'text/event-stream' } }];
    return [{}];
  }

  /** @returns the id of a webhook of the user that sends nothing */
  async function pausedWebhook(): Promise<string> {
    const { token } = user;
    const body = { url: 'https://hooks.example.com/x' };
    const { id } = expectStatus(await api(server.url).post('/webhooks', body, { token }), 201).body;
    expectStatus(await api(server.url).patch(`/webhooks/${id}`, { status: 'paused' }, { token }), 200);
    return id;
  }

  /** @returns the id of a dispute of the user about a task that another user's agent did */
  async function disputeWithSeller(): Promise<string> {
    const seller = await registerUser(server.url);
    await publish(server.url, seller.token, 'sold', await hexOfInput(), { capabilities: ['sold'], price: '0.10' });
    const id = await submit(server.url, user.token, 'sold');
    await waitForTask(server.url, user.token, id, 'completed');
    const complaint = { task_id: id, reason: 'Wrong.' };
    const dispute = await api(server.url).post('/ledger/disputes', complaint, { token: user.token });
    return expectStatus(dispute, 201).body.id;
  }

  const createKey = async (scopes: string[]): Promise<{ id: string; key: string }> => {
    const answer = await api(server.url).post('/auth/api-keys', { name: 'of a test', scopes }, { token: user.token });
    return expectStatus(answer, 201).body;
  };

  async function send({ operation, path = operation.path, headers, body }: Attack, token?: string): Promise<RawAnswer> {
    const real = parametersOf(path).reduce((filled, it) => filled.replace(`{${it}}`, existing(path, it)), path);
    const authorization = token ?? (operation.policy === 'admin' ? adminToken : user.token);
    const all = { authorization: `Bearer ${authorization}`, ...contentTypeOf(body), ...headers };
    const answer = await fetch(server.url + real, {
      method: operation.method,
      headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
      body: operation.method === 'GET' ? undefined : body,
      redirect: 'manual',
    });
    if (!answer.headers.get('content-type')?.startsWith('text/event-stream')) return read(answer);
    await answer.body?.cancel(); // it may go on for ever
    return { status: answer.status, headers: answer.headers, text: '' };
  }

  /** Sends every attack. @returns what was answered, in their order */
  async function answered(attacks: Attack[], token?: string): Promise<Answered[]> {
    expect(attacks.length).toBeGreaterThan(0);
    const waiting = attacks.entries();
    const answers: Answered[] = [];
    const worker = async (): Promise<void> => {
      for (const [index, attack] of waiting) answers[index] = { attack, answer: await send(attack, token) };
    };
    await Promise.all(Array.from({ length: WIDTH }, worker));
    return answers;
  }

  /** Sends every attack; each has to be answered by a problem document of an expected status. */
  async function refused(attacks: Attack[], token?: string): Promise<{ what: string; answer: RawAnswer }[]> {
    const answers = await answered(attacks, token);
    const faults = answers.flatMap((one) => told(one, faultOf(one.answer, one.attack.expected)));
    expect(faults).toEqual([]);
    return answers.map(({ attack: { what }, answer }) => ({ what, answer }));
  }
});

interface Answered {
  attack: Attack;
  answer: RawAnswer;
}

const told = ({ attack: { operation, what, body } }: Answered, fault: string | undefined): string[] =>
  fault ? [`${operation.method} ${operation.id} ← ${what} ${shown(body)}: ${fault}`] : [];

/** What an answer has that the document does not say: its status, its media type, the form of a refusal. */
function undocumented(one: Answered): string[] {
  const { attack, answer } = one;
  const { answers } = attack.operation;
  if (answer.status >= 500) return told(one, `${answer.status} ${answer.text}`);
  if (answer.status >= 400) return told(one, faultOf(answer, attack.expected));
  const type = answer.headers.get('content-type')?.split(';')[0];
  const known = answers[answer.status];
  if (!known) return told(one, `undocumented ${answer.status}`);
  return told(one, !type || known.includes(type) ? undefined : `undocumented ${type}`);
}

/** The tasks of an answer: one, or a batch of them. */
const idsIn = (text: string): string[] => {
  const { id, items } = JSON.parse(text) as { id?: string; items?: { id: string }[] };
  return id ? [id] : (items ?? []).map((item) => item.id);
};

const parametersOf = (path: string): string[] => [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);

/** An agent that answers the bytes of its input, at most 30,000, as hexadecimal text. */
const hexOfInput = (): Promise<Buffer> =>
  agent(
    `(local $from i32) (local $to i32) (local $end i32)
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 30000))
    (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $from (i32.const 1024))
    (local.set $end (i32.add (i32.const 1024) (i32.load (i32.const 8))))
    (i32.store8 (i32.const 65536) (i32.const 34))
    (local.set $to (i32.const 65537))
    (loop $next
      (i32.store8 (local.get $to) (call $digit (i32.shr_u (i32.load8_u (local.get $from)) (i32.const 4))))
      (i32.store8 offset=1 (local.get $to) (call $digit (i32.and (i32.load8_u (local.get $from)) (i32.const 15))))
      (local.set $to (i32.add (local.get $to) (i32.const 2)))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $from) (local.get $end))))
    (i32.store8 (local.get $to) (i32.const 34))
    (call $write (i32.const 1) (i32.const 65536) (i32.sub (local.get $to) (i32.const 65535)))`,
    `(func $digit (param $value i32) (result i32)
      (i32.add (local.get $value)
        (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $value) (i32.const 10)))))`,
  );

function operationsOf(document: any): Operation[] {
  return Object.entries<Record<string, any>>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const [reads, content] = Object.entries<any>(operation.requestBody?.content ?? {})[0] ?? [];
      return {
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        bearer: operation.security?.length > 0,
        policy: operation['x-access'],
        reads,
        schema: content?.schema,
        query: operation.parameters.filter((it: any) => it.in === 'query').map((it: any) => it.name),
        headers: operation.parameters.filter((it: any) => it.in === 'header').map((it: any) => it.name),
        answers: Object.fromEntries(
          Object.entries<any>(operation.responses).map(([status, answer]) => [
            status,
            Object.keys(answer.content ?? {}),
          ]),
        ),
      };
    }),
  );
}

function form(fields: Record<string, unknown>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, String(value));
  return data;
}

/** A form brings its own. */
const contentTypeOf = (body: Attack['body']): Record<string, string> =>
  typeof body === 'string' ? { 'content-type': 'application/json' } : {};

const shown = (body: Attack['body']): string => (typeof body === 'string' ? body.slice(0, 100) : typeof body);
