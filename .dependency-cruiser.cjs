/**
 * Who may import whom, as `depcruise src migrations sdk/src --config .dependency-cruiser.cjs` checks it.
 *
 * A module is a folder of `src/`; its door is its `index.ts`. `common` needs none: each of its files is
 * one. Specs may look behind doors.
 */

/** What each module may import, besides itself and the FOUNDATION. */
const MAY_IMPORT = {
  database: [],
  storage: [],
  confinement: [],
  contracts: [],
  validation: ['confinement'],
  feed: ['database'],
  queue: ['database'],
  protection: [],
  auth: ['database', 'feed', 'protection'],
  agents: ['auth', 'database', 'storage', 'feed', 'protection', 'contracts'],
  upload: ['auth', 'agents', 'storage', 'validation', 'database', 'protection', 'contracts'],
  ledger: ['auth', 'database', 'feed'],
  tasks: ['auth', 'database', 'queue', 'feed', 'ledger', 'storage'],
  scheduling: ['auth', 'tasks', 'queue', 'database'],
  'task-api': ['auth', 'contracts', 'ledger', 'tasks', 'scheduling', 'queue', 'feed', 'database', 'storage'],
  auction: ['auth', 'agents', 'tasks', 'task-api', 'contracts'],
  execution: ['storage', 'confinement'],
  egress: [],
  models: [],
  secrets: ['auth', 'agents', 'database'],
  'host-calls': [
    'auth',
    'agents',
    'database',
    'contracts',
    'egress',
    'execution',
    'feed',
    'models',
    'scheduling',
    'secrets',
    'task-api',
    'tasks',
  ],
  webhooks: ['auth', 'database', 'egress', 'feed', 'secrets'],
  orchestration: [
    'auth',
    'ledger',
    'queue',
    'tasks',
    'scheduling',
    'auction',
    'agents',
    'execution',
    'host-calls',
    'database',
    'feed',
    'contracts',
  ],
  'agent-cli': ['contracts', 'execution', 'host-calls', 'models', 'validation'],
  mcp: ['auth', 'agents', 'auction', 'feed', 'gateway', 'protection', 'queue', 'task-api', 'tasks'],
  gateway: ['auth', 'agents', 'tasks', 'task-api', 'feed', 'protection'],
};

/** What every module may import, and what these may import of each other. */
const FOUNDATION = { common: [], config: ['common'], observability: ['common', 'config'] };

/** The only folders that may import a vendor's package, so that it can be replaced there. */
const VENDORS = {
  bullmq: '^src/queue/drivers/redis/',
  '@bull-board/api': '^src/queue/drivers/redis/',
  '@bull-board/express': '^src/queue/drivers/redis/',
  ioredis: '^src/(queue|feed|protection)/drivers/',
  '@fastify/busboy': '^src/upload/',
  'socket.io': '^src/gateway/',
  'proxy-addr': '^src/gateway/',
  '@modelcontextprotocol/server': '^src/mcp/',
  undici: '^src/egress/',
  'ipaddr.js': '^src/egress/',
  '@aws-sdk/client-s3': '^src/storage/drivers/s3',
  '@aws-sdk/lib-storage': '^src/storage/drivers/s3',
  '@aws-sdk/s3-request-presigner': '^src/storage/drivers/s3',
  'ipfs-unixfs-importer': '^src/storage/drivers/ipfs',
  'ipfs-unixfs-exporter': '^src/storage/drivers/ipfs',
  '@ipld/car': '^src/storage/drivers/ipfs',
  multiformats: '^src/storage/drivers/ipfs',
  argon2: '^src/auth/',
  nodemailer: '^src/auth/drivers/',
  pg: '^src/(database/|operator/|[^/]+/drivers/postgres)',
  'rate-limiter-flexible': '^src/protection/',
  'prom-client': '^src/observability/',
  'nestjs-pino': '^src/observability/',
  '@opentelemetry': '^src/observability/',
  pino: '^src/observability/',
  'pino-pretty': '^src/observability/',
};

const SPEC = String.raw`\.(spec|contract-spec|e2e-spec)\.ts$`;
/** The build generates it, so it is missing in a fresh clone. */
const SDK_SCHEMA = '^[.]/schema[.]js$';
const DOOR = '^src/([^/]+/index[.]ts$|common/)';
const ROOT = '^src/([^/]+[.]ts$|(boot|operator)/)';
const modules = [...Object.keys(FOUNDATION), ...Object.keys(MAY_IMPORT)];

const imports = [
  ...Object.entries(FOUNDATION),
  ...Object.entries(MAY_IMPORT).map(([name, others]) => [name, [...Object.keys(FOUNDATION), ...others]]),
].map(([name, others]) => ({
  name: `${name}-imports`,
  severity: 'error',
  comment: `${name} may import ${others.join(', ') || 'nothing'} of src.`,
  from: { path: `^src/${name}/`, pathNot: SPEC },
  to: { path: '^(src|migrations)/', pathNot: `^src/(${[name, ...others].join('|')})/` },
}));

const vendors = Object.entries(VENDORS).map(([name, owners]) => ({
  name: `${name}-owner`,
  severity: 'error',
  comment: `${name} is imported only in ${owners}.`,
  from: { path: '^src/', pathNot: [owners, SPEC] },
  to: { path: `(^|/)node_modules/(@types/)?${name.replace('.', '[.]')}/` },
}));

module.exports = {
  forbidden: [
    ...imports,
    ...vendors,
    {
      name: 'unknown-module',
      severity: 'error',
      comment: 'A new module needs a row in MAY_IMPORT.',
      from: { path: '^src/' },
      to: { path: '^src/[^/]+/', pathNot: [ROOT, `^src/(${modules.join('|')})/`] },
    },
    {
      name: 'doors',
      severity: 'error',
      comment: 'Another module is imported through its index.ts only; what it does not export is its own affair.',
      from: { path: '^src/([^/]+)/', pathNot: [ROOT, SPEC] },
      to: { path: '^src/[^/]+/', pathNot: ['^src/$1/', DOOR] },
    },
    {
      name: 'doors-of-the-composition-root',
      severity: 'error',
      comment: 'The composition root, too, knows modules by their doors.',
      from: { path: ROOT, pathNot: SPEC },
      to: { path: '^src/[^/]+/', pathNot: [DOOR, ROOT] },
    },
    {
      name: 'drivers',
      severity: 'error',
      comment: 'A driver is picked once, at boot, by its module; all others know its port.',
      from: { path: '^src/', pathNot: ['^src/[^/]+/[^/]+[.]module[.]ts$', '^src/[^/]+/drivers/', SPEC] },
      to: { path: '^src/[^/]+/drivers/' },
    },
    {
      name: 'migrations',
      severity: 'error',
      comment: 'A migration describes the schema of its day; code that changes later would change it.',
      from: { path: '^migrations/' },
      to: { path: '^src/' },
    },
    {
      name: 'sdk-alone',
      severity: 'error',
      comment: 'The SDK is a package without dependencies.',
      from: { path: '^sdk/' },
      to: { pathNot: ['^sdk/', SDK_SCHEMA], dependencyTypesNot: ['core'] },
    },
    {
      name: 'sdk-in-browsers',
      severity: 'error',
      comment: 'Browsers have no modules of Node.js: only the command line may use them.',
      from: { path: '^sdk/src/', pathNot: '^sdk/src/cli/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Files that need each other are one part, or the shared piece belongs in a file below both.',
      from: { path: '^(src|sdk)/' },
      to: { circular: true },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment: 'An import that cannot be found would escape every other rule.',
      from: {},
      to: { couldNotResolve: true, pathNot: SDK_SCHEMA },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
