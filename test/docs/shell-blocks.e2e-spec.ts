import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../../src/database/embedded/free-port.js';
import { registerUser } from '../support/client.js';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../support/database.js';
import { emptyRedis } from '../support/redis.js';
import { type ServerProcess, startServer } from '../support/server.js';
import {
  blocksOf,
  type Checkout,
  createCheckout,
  indentedBlocks,
  markdownIn,
  type Reader,
  runnable,
  runShellBlocks,
  syntaxErrors,
} from '../support/shell-blocks.js';

/** What a user of ZeroState reads. */
const DOCUMENTS = ['README.md', ...markdownIn('docs'), ...markdownIn('examples')];

/** Blocks of other kinds hold nothing that a shell could run. */
const NO_COMMANDS = ['js', 'json', 'mermaid', 'text'];

const NOT_RUN = [
  'README.md: it is what checks this page',
  'README.md: it needs root; `npm test` checks it first',
  'docs/agent-developer-guide.md: who tests this page has the repository and its packages',
  'docs/benchmarks.md: it takes more than ten minutes',
  'docs/deployment.md: it needs a container engine',
  'docs/deployment.md: it needs a cluster',
  'docs/deployment.md: it needs root and systemd',
  'docs/deployment.md: it needs root and systemd',
  'docs/deployment.md: the suite about backups runs it, on two databases',
  'docs/deployment.md: the suite about backups runs it, on two databases',
  'docs/deployment.md: it needs a container engine',
  'docs/reliability.md: it breaks things for minutes',
  'examples/agents/README.md: it needs root; the guide installs the same',
  'examples/agents/javascript-component/README.md: it downloads 390 MB; `test/fixtures/components` has a component of another compiler',
];

describe('the shell blocks of README and guides', () => {
  let checkout: Checkout;
  let database: TestDatabase;
  let server: ServerProcess;

  beforeAll(async () => {
    checkout = await createCheckout();
    database = await createTestDatabase();
    server = await startServer({ env: { DATABASE_URL: database.url } });
  });

  afterAll(async () => {
    await server?.stop();
    await database?.drop();
    await checkout?.remove();
  });

  it('are the only commands there, and those that cannot be run here are well-formed and say why', () => {
    const blocks = DOCUMENTS.flatMap(blocksOf);
    const unknown = blocks.filter(({ language }) => language !== 'sh' && !NO_COMMANDS.includes(language));
    expect(unknown.map(({ place, language }) => `${place}: ${language}`)).toEqual([]);
    expect(DOCUMENTS.flatMap(indentedBlocks)).toEqual([]);
    const left = blocks.filter(({ notRun }) => notRun !== undefined);
    expect(left.map(syntaxErrors).join('')).toBe('');
    expect(left.map(({ place, notRun }) => `${place.replace(/:\d+$/, '')}: ${notRun}`)).toEqual(NOT_RUN);
  });

  it('are run, of every document that has any', () => {
    expect(DOCUMENTS.filter((path) => runnable(path).length > 0)).toEqual([
      'README.md',
      'docs/agent-developer-guide.md',
      'docs/deployment.md',
      'docs/storage.md',
      'examples/agents/README.md',
      // The suite about real programs runs these, and what they build.
      ...['javascript', 'python', 'ruby', 'template-assemblyscript', 'template-c', 'template-rust'].map(
        (template) => `examples/agents/${template}/README.md`,
      ),
    ]);
  });

  /** @throws Error when a command fails or what is expected was not said */
  async function follow(document: string, reader: Omit<Reader, 'checkout'>, expected: (string | RegExp)[]) {
    const log = await runShellBlocks(document, { checkout, ...reader });
    for (const words of expected) expect(log).toMatch(words);
  }

  it('lead a newcomer by the README from the first start over the tour to more than one machine', async () => {
    const [port, redis, empty] = [await freePort(), await emptyRedis(), await createEmptyDatabase()];
    const instead: Reader['instead'] = [
      ['npm ci && ', ''],
      ['npm run build\n', ''],
      ['localhost:8080', `localhost:${port}`],
      ['/srv/zerostate', `${checkout.path}/.zerostate`],
      ['postgresql://zerostate:secret@db.example.org/zerostate', empty.url],
      ['redis://redis.example.org', redis.url],
    ];
    const env = { PORT: String(port), QUEUE_PREFIX: redis.prefix };
    const scoreboard =
      /^ +rank +agent +price [^]*^ +1 +Text Summary Lite .*\n +2 +Keyword Summary .*\n +3 +Text Summary /m;
    await follow('README.md', { instead, env }, [
      scoreboard,
      '"status":"uploaded"',
      'event: task.completed',
      '"competitive":false',
      /^1 +MyAgent +0\.50 /m,
      /"id":"[0-9a-f-]+","status":"completed"/,
      '✓ completed',
      /^✓ schema/m,
      'The schema is up to date.',
      'Admin ada@example.org, password ',
    ]);
    await empty.drop();
  }, 300_000);

  it('lead from nothing to an agent in one’s own language that is uploaded and run', async () => {
    await follow('docs/agent-developer-guide.md', { env: { SERVER: server.url } }, [
      '"greeting":"Hello, Ada!"',
      'letters is a new agent.',
      '{"reversed":"adA","letters":{"a":2,"d":1}}',
      'Greeting Ada.',
      ...['C', 'Rust', 'AssemblyScript'].map((language) => `"language": "${language}"`),
    ]);
  }, 600_000);

  it('check and migrate an installation', async () => {
    await follow('docs/deployment.md', { env: { DATABASE_URL: database.url } }, [
      /^✓ configuration/m,
      'The schema is up to date.',
    ]);
  }, 300_000);

  it('bring the bytes of a binary before it is uploaded', async () => {
    const { token } = await registerUser(server.url);
    await follow('docs/storage.md', { env: { SERVER: server.url, JWT: token } }, ['"status":"uploaded"']);
  });

  it('build, try and upload the example agents', async () => {
    const { token } = await registerUser(server.url);
    const instead: Reader['instead'] = [['localhost:8080', new URL(server.url).host]];
    await follow('examples/agents/README.md', { instead, env: { JWT: token } }, [
      '"status":"uploaded"',
      '"status":"queued"',
    ]);
  }, 300_000);
});
