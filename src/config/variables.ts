import { doorVariables } from './door-variables.js';
import { hostCallVariables } from './host-call-variables.js';
import { z } from 'zod';
import { MAX_TIMER_MS } from '../common/timers.js';
import { priceList } from './price-list.js';
import {
  accepted,
  credits,
  DAY_MS,
  flag,
  hostPatterns,
  httpMethods,
  integer,
  isTrue,
  isTrustable,
  list,
  MB,
  nameServers,
  number,
  origins,
  privateHosts,
  roundTrips,
  truth,
  url,
  walls,
} from './variable-types.js';

/** From the most severe to the most talkative. */
export const LOG_LEVELS = ['fatal', 'error', 'warn', 'log', 'debug', 'verbose'] as const;

/** How the terms of a score are scaled: against the other bids, or against what the task allows. */
export const SCORING_STRATEGIES = ['minmax', 'absolute'] as const;

/** What a winner is paid: what it asks, or the highest price at which it would still have won. */
export const PAYMENT_RULES = ['ask', 'second_score'] as const;

const OTLP_PROTOCOLS = ['http/protobuf', 'http/json'] as const;
const otlpProtocol = z.enum(OTLP_PROTOCOLS, `must be ${OTLP_PROTOCOLS.join(' or ')}`);
const SAMPLERS = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

/** Variables whose values open something; URLs hold passwords. A process that has none of them has no secrets. */
const SECRETS = [
  'DATABASE_URL',
  'DATABASE_OWNER_URL',
  'REDIS_URL',
  'JWT_SECRET',
  'S3_ACCESS_KEY_ID',
  'S3_SECRET_ACCESS_KEY',
  'ADMIN_PASSWORD',
  'SMTP_URL',
  'IPFS_API_URL',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'LLM_API_KEY',
  'SECRETS_KEY',
] as const;

/**
 * Every variable the server reads, with its default, limits and meaning.
 *
 * One table, whatever its length: `.env.example` and `docs/configuration.md` are written from it, in its order.
 */
export const variables = z
  .object({
    NODE_ENV: z
      .enum(['production', 'development', 'test'], 'must be production, development or test')
      .default('development')
      .describe('`production` turns the safety catches of a real installation on'),
    HOST: z.string().default('127.0.0.1').describe('Address the API listens on; `0.0.0.0` for all of them'),
    PORT: integer(8080, 0, 65535).describe('TCP port of the API; 0 takes a free one'),
    ROLES: list('api,worker')
      .pipe(z.array(z.enum(['api', 'worker', 'validator'])).min(1))
      .describe(
        'What this process does: `api`, `worker` or both; or `validator` alone, which checks binaries for API processes',
      ),
    DATA_DIR: z.string().default('.zerostate').describe('Folder of the embedded database, blobs and generated secrets'),
    MIN_FREE_DISK_BYTES: integer(512 * MB, 0).describe(
      'Free bytes on the disk of DATA_DIR below which nothing new is stored (507 `DISK_FULL`) and no task is started; 0: no limit',
    ),
    EXAMPLE_AGENTS: z
      .enum(['all', 'compiled', 'none'])
      .default('all')
      .describe(
        'Example agents that the first start registers (never in production): all, only compiled ones (no Python), none',
      ),
    DEMO: flag(true).describe('Run one task at boot and print its auction (never in production)'),
    LOG_LEVEL: z.enum(LOG_LEVELS).default('log').describe('Least severe level logged'),
    CORS_ORIGINS: origins().describe('Origins browsers may call the API from, separated by commas; none by default'),

    SHUTDOWN_DELAY_MS: integer(0, 0, 300_000).describe(
      'How long a process that is stopped says that it is not ready before it stops serving, ms; for load balancers',
    ),
    METRICS_PORT: z.coerce
      .number()
      .int()
      .min(0)
      .max(65_535)
      .optional()
      .describe('TCP port for `/metrics` and `/health`, without a login; 0 takes a free one; unset: none'),
    METRICS_HOST: z
      .string()
      .default('127.0.0.1')
      .describe('Address of that port; let nobody but Prometheus and the orchestrator reach it'),

    OTEL_EXPORTER_OTLP_ENDPOINT: url('http:', 'https:')
      .optional()
      .describe(
        'OpenTelemetry collector that traces are sent to, e.g. `http://localhost:4318`; this and the next unset: no traces',
      ),
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: url('http:', 'https:')
      .optional()
      .describe('The same with its path, e.g. `http://localhost:4318/v1/traces`, instead of it'),
    OTEL_EXPORTER_OTLP_PROTOCOL: otlpProtocol
      .default('http/protobuf')
      .describe('Encoding of traces; gRPC is not built in'),
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: otlpProtocol.optional().describe('The same, instead of it'),
    OTEL_EXPORTER_OTLP_HEADERS: z
      .string()
      .optional()
      .describe('Headers the collector asks for, such as a key: `name=value,…`'),
    OTEL_SERVICE_NAME: z.string().default('zerostate').describe('What this installation is called in traces'),
    OTEL_RESOURCE_ATTRIBUTES: z
      .string()
      .optional()
      .describe('What else they say of this process: `deployment.environment.name=staging,…`'),
    OTEL_TRACES_SAMPLER: z
      .enum(SAMPLERS)
      .default('parentbased_always_on')
      .describe(
        'Which traces are recorded; with `parentbased_` a caller that records none of its own is heeded, one that asks for more is not',
      ),
    OTEL_TRACES_SAMPLER_ARG: number(1, 0, 1).describe('Share of the traces that are recorded, for `traceidratio`'),
    OTEL_TRACES_EXPORTER: z
      .enum(['otlp', 'none'], 'must be otlp or none')
      .default('otlp')
      .describe('`none`: no traces, whatever else is set'),
    OTEL_SDK_DISABLED: flag(false).describe('`true`: no traces, whatever else is set'),

    DATABASE_URL: url('postgres:', 'postgresql:')
      .optional()
      .describe('PostgreSQL 14 or newer; unset: the embedded one'),
    DATABASE_OWNER_URL: url('postgres:', 'postgresql:')
      .optional()
      .describe(
        'The same database as the role that owns the tables, for `npm run db:migrate` and `db:revert` alone; `DATABASE_URL` then needs fewer rights',
      ),
    DATABASE_POOL_SIZE: integer(10, 2, 200).describe('Connections per process beside those for micro-batched writes'),

    REDIS_URL: url('redis:', 'rediss:')
      .optional()
      .describe('Redis 7 or Valkey for queue and events; unset: PostgreSQL'),
    QUEUE_PREFIX: z
      .string()
      .regex(/^[a-zA-Z_][\w-]{0,39}$/, 'must be a letter, then letters, digits, - or _')
      .default('zerostate')
      .describe('Begins the names of the keys and channels of this installation in Redis and PostgreSQL'),
    QUEUE_MAX_SIZE: integer(10_000, 1).describe(
      'Tasks of all users that may wait; past it submissions are answered 503. One user may have half of what the others leave; past that its submissions are answered 429',
    ),
    QUEUE_MAX_DELAYED: integer(10_000, 1).describe(
      'Tasks of all users that may wait for a later start (run_at, delay_ms), beside QUEUE_MAX_SIZE and shared out in the same way',
    ),
    WORKER_CONCURRENCY: integer(64, 1, 1000).describe(
      'Tasks one worker process works on at a time, at the most; it takes on fewer while they wait for a sandbox',
    ),
    QUEUE_FAIRNESS: z
      .enum(['on', 'off'], 'must be on or off')
      .default('on')
      .describe(
        '`on`: users take turns by the running time they consumed, and a priority orders only its user’s own tasks; `off`: one order by priority over all users, for an installation with one owner',
      ),
    QUEUE_USER_WINDOW: integer(500, 1).describe(
      'Tasks of one user in the queue or running at a time; further ones wait for their turn, also when no other user waits',
    ),
    MAX_WAITING_PER_USER: integer(5000, 1).describe(
      'Tasks of one user that may wait; past it submissions are answered 429',
    ),
    MAX_DELAYED_PER_USER: integer(1000, 1).describe(
      'Tasks of one user with a later start that may wait; past it submissions are answered 429',
    ),
    MAX_RUNNING_PER_USER: integer(1000, 1).describe(
      'Bounds the same as QUEUE_USER_WINDOW: the smaller of the two holds',
    ),
    QUEUE_AGE_STEP_MS: integer(60_000, 100).describe(
      'A waiting task rises by one level of priority each time it has waited this long, ms',
    ),
    SHUTDOWN_GRACE_MS: integer(30_000, 0, MAX_TIMER_MS).describe(
      'How long a worker that is stopped goes on with what it holds before it hands it back, ms',
    ),
    SWEEP_INTERVAL_MS: integer(10_000, 100).describe('Pause between two looks for lost tasks, ms'),

    STORAGE_DRIVER: z
      .enum(['local', 's3', 'ipfs'], 'must be local, s3 or ipfs')
      .default('local')
      .describe(
        'Where new agent binaries go, and large documents of tasks: `local` (a folder below DATA_DIR), `s3`, or `ipfs`, which is public (documents stay out of it)',
      ),
    S3_BUCKET: z.string().min(3).max(255).optional().describe('Bucket of binaries; it must exist'),
    S3_ENDPOINT: url('http:', 'https:').optional().describe('Address of an S3-compatible service; unset: Amazon S3'),
    S3_PUBLIC_ENDPOINT: url('http:', 'https:')
      .optional()
      .describe('The same service as clients reach it, for downloads and deposits; unset: S3_ENDPOINT'),
    S3_REGION: z.string().default('us-east-1').describe('Region of the bucket; `auto` for Cloudflare R2'),
    S3_ACCESS_KEY_ID: z
      .string()
      .optional()
      .describe("Unset, like the secret: the AWS SDK's default chain (its own variables, files, the machine's role)"),
    S3_SECRET_ACCESS_KEY: z.string().optional().describe('Secret of this access key'),
    S3_FORCE_PATH_STYLE: truth
      .transform(isTrue)
      .optional()
      .describe('The bucket in the path instead of the host name; unset: true where S3_ENDPOINT is set'),
    S3_SSE: z
      .enum(['AES256', 'aws:kms'], 'must be AES256 or aws:kms')
      .optional()
      .describe("Encryption at rest to ask for: `AES256` or `aws:kms`; unset: the bucket's own setting"),
    IPFS_API_URL: url('http:', 'https:')
      .optional()
      .describe(
        'RPC of a Kubo node that keeps and pins the binaries, `http://user:password@host:5001`; unset: files below DATA_DIR',
      ),
    IPFS_GATEWAY_URL: url('http:', 'https:')
      .transform((address) => address.replace(/\/+$/, ''))
      .optional()
      .describe('Gateway that downloads are sent to, without `/ipfs`; unset: this server'),
    MAX_BINARY_BYTES: integer(50 * MB, 1).describe('Largest agent binary'),
    MAX_FORM_BYTES: integer(60 * MB, 1).describe('Largest upload form, binary included'),
    CLEANUP_INTERVAL_MS: integer(3_600_000, 100, MAX_TIMER_MS).describe(
      'Pause between two looks for leftovers of uploads and bytes that nobody needs any more, ms',
    ),
    CLEANUP_GRACE_MS: integer(3_600_000, 900_000).describe(
      'How long such leftovers stay, ms; longer than any upload, and than a deposit can be used',
    ),

    MAX_AGENTS_PER_USER: integer(1000, 0).describe('Agents of one user'),
    MAX_NEW_CAPABILITIES_PER_DAY: integer(1000, 1).describe(
      'Capabilities that the agents of one user may add in a day, beside those that they offer already',
    ),
    MAX_STORED_BYTES_PER_USER: integer(5 * 1024 * MB, 0).describe(
      'Bytes that the versions, the tasks and the documents of one user take up together',
    ),

    JWT_SECRET: z
      .string()
      .min(32, 'must have at least 32 characters')
      .optional()
      .describe('Signs access and refresh tokens, deposits and download links; required in production'),
    ACCESS_TOKEN_TTL: integer(900, 1, 86_400).describe('Life of an access token, seconds'),
    SESSION_TTL: integer(30 * 86_400, 60).describe('Life of a login, seconds: so long its tokens can be refreshed'),
    // Revocations are read from these rows for as long as an access token lives.
    ACCESS_RETENTION_DAYS: number(30, 2, 36_500).describe(
      'How long logins and API keys that have ended are kept, so that one can look after an incident, days',
    ),
    REGISTRATION: z
      .enum(['open', 'closed'], 'must be open or closed')
      .default('open')
      .describe('`closed`: only admins open accounts'),
    REGISTRATIONS_PER_ADDRESS: integer(50, 1).describe(
      'Accounts that may be opened a day from one address, of IPv6 from one /64',
    ),
    REGISTRATIONS_PER_NETWORK: integer(500, 1).describe('The same from one /48 of IPv6, or one /24 of IPv4'),
    YOUNG_ACCOUNT_HOURS: number(24, 0, 87_600).describe(
      'How long an account that registered by itself counts as young, hours; 0: not at all',
    ),
    YOUNG_ACCOUNT_QUOTA_FACTOR: number(0.1, 0.001, 1).describe(
      'Share of each quota of a user (agents, stored bytes, waiting tasks) that a young account has',
    ),
    ADMIN_EMAIL: z
      .email('must be an email address')
      .default('admin@zerostate.local')
      .describe('First admin, made when there is none'),
    ADMIN_PASSWORD: z
      .string()
      .min(10, 'must have at least 10 characters')
      .optional()
      .describe('Its password; unset: generated and printed once'),

    SMTP_URL: url('smtp:', 'smtps:')
      .optional()
      .describe('Mail server for password resets, `smtps://user:password@host:465`; unset: no mail is sent'),
    MAIL_FROM: z
      .string()
      .min(3)
      .optional()
      .describe('Sender of mail, such as `ZeroState <noreply@example.org>`; required with SMTP_URL'),
    PASSWORD_RESET_URL: url('http:', 'https:')
      .optional()
      .describe(
        'Page on which a user chooses a new password; it gets the token as `#token=…`; unset: the token alone is sent',
      ),
    PASSWORD_RESET_TTL: integer(3600, 60, 604_800).describe('How long a token that resets a password is good, seconds'),

    RATE_LIMIT_ENABLED: flag(true).describe('Limit requests by address and user, and attempts to log in'),
    RATE_LIMIT_AUTH: integer(300, 1).describe('Logins, registrations and refreshes a minute from one address'),
    RATE_LIMIT_READ: integer(12_000, 1).describe('Reads a minute of one user'),
    RATE_LIMIT_WRITE: integer(6000, 1).describe('Writes a minute of one user'),
    RATE_LIMIT_SIMULATE: integer(30, 1).describe('Auctions a minute that one user may simulate'),
    RATE_LIMIT_UPLOAD: integer(120, 1).describe('Uploads a minute of one user'),
    TRUST_PROXY: z
      .string()
      .regex(/^(false|\d{1,2}|[\w.:/,\s-]+)$/, 'must be false, a number of proxies, or their addresses')
      .default('false')
      .transform((text) =>
        /^(false|0+)$/.test(text) ? false : /^\d+$/.test(text) ? Number(text) : text.split(/\s*,\s*/),
      )
      .refine(isTrustable, 'must be false, a number of proxies, or their addresses')
      .describe('Proxies whose X-Forwarded-For is believed: how many, or their addresses; false for none'),
    MAX_CONNECTIONS: integer(20_000, 1).describe('Connections one process holds at a time'),
    MAX_CONNECTIONS_PER_ADDRESS: integer(2000, 1).describe(
      'Of these, from one address; not limited where TRUST_PROXY says that they come from a proxy',
    ),
    RATE_LIMIT_FLOOD: integer(1000, 1).describe(
      'Requests a second from one address, of whatever kind; past it they are refused, past twice as many it is cut off for 10 s',
    ),
    RATE_LIMIT_REFUSED: integer(100, 1).describe(
      'Requests a second from one address that have to be refused (4xx); past it the address is cut off for 10 s',
    ),
    HEADERS_TIMEOUT_MS: integer(10_000, 100).describe("For a request's headers to arrive, ms"),
    BODY_TIMEOUT_MS: integer(30_000, 100).describe(
      "For a request's body to arrive, uploads excepted, ms; and how long a client may take nothing of its answer",
    ),
    UPLOAD_TIMEOUT_MS: integer(300_000, 1000).describe('For an upload to arrive, ms'),
    IDLE_TIMEOUT_MS: integer(10_000, 100).describe(
      'How long an idle connection is kept, ms: longer than a proxy in front keeps its own to this server',
    ),
    MAX_EVENT_LOOP_LAG_MS: integer(1000, 50).describe('Event-loop delay from which requests are turned away, ms'),

    GATEWAY_CONNECTIONS_PER_USER: integer(50, 1).describe('Live connections of one user to one process'),
    GATEWAY_CONNECTIONS_PER_ADDRESS: integer(1000, 1).describe('Live connections of one address to one process'),

    MAX_INPUT_BYTES: integer(MB, 1).describe('Largest input in the body of its task, as JSON text'),
    MAX_INPUT_BLOB_BYTES: integer(50 * MB, 1).describe('Largest input that is brought first and named by reference'),
    MAX_OUTPUT_BLOB_BYTES: integer(50 * MB, 1).describe(
      'Largest output for a task that asks for its result by reference',
    ),
    DOCUMENT_TTL_MS: integer(DAY_MS, 1000).describe(
      'How long inputs and results by reference are kept while no task refers to them, ms',
    ),
    TASK_TIMEOUT_MS: integer(30_000, 1).describe('Wall time of one attempt when the task names none, ms'),
    MAX_TASK_TIMEOUT_MS: integer(300_000, 1).describe('Most a task may ask for, ms'),

    MAX_TASK_DELAY_MS: integer(30 * DAY_MS, 0).describe('How far ahead a task may be put off, ms'),
    TASK_RETENTION_DAYS: number(90, 0, 36_500).describe('How long tasks that have ended are kept, days; 0: for ever'),
    EVENT_RETENTION_DAYS: number(30, 0, 36_500).describe('How long events of the feed are kept, days; 0: for ever'),
    RETENTION_INTERVAL_MS: integer(3_600_000, 100, MAX_TIMER_MS).describe(
      'Pause between two looks for tasks and events whose time is over, ms',
    ),
    IDEMPOTENCY_TTL_MS: integer(DAY_MS, 1000).describe('How long a repeated submission is recognised by its key, ms'),

    AGENT_APPROVAL: flag(false).describe(
      'New agents bid only once an admin has approved them; those of admins at once',
    ),
    SIGNUP_CREDITS: credits()
      .optional()
      .describe('Credits that each new account gets; unset: 100, and 0 when NODE_ENV=production'),
    MARKET_FEE_PERCENT: number(0, 0, 100).describe(
      "The market's part of each price, percent with at most 4 decimals; the agent's owner gets the rest",
    ),
    PAYOUT_DELAY_DAYS: number(7, 0, 365).describe(
      'How long earnings stay pending before their owner can spend or withdraw them, days; at least DISPUTE_DAYS',
    ),
    DISPUTE_DAYS: number(7, 0, 365).describe(
      'How long after its completion a submitter may dispute a task, days; 0: not at all',
    ),
    LEDGER_CHECK_INTERVAL_MS: integer(3_600_000, 100, MAX_TIMER_MS).describe(
      'Pause between two checks of the ledger against its transfers by a worker, ms',
    ),
    AUCTION_SCORING: z
      .enum(SCORING_STRATEGIES)
      .default('minmax')
      .describe(
        'Bids are scored against each other (`minmax`) or against the budget and time of the task (`absolute`)',
      ),
    AUCTION_PAYMENT: z
      .enum(PAYMENT_RULES, `must be ${PAYMENT_RULES.join(' or ')}`)
      .default('ask')
      .describe(
        'What a winner is paid: what it asks, or (second_score) the highest price at which it would still have won against the bids of other owners',
      ),
    AUCTION_WEIGHT_PRICE: number(0.3, 0, 1000).describe('Weight of the price in an auction'),
    AUCTION_WEIGHT_QUALITY: number(0.3, 0, 1000).describe('Weight of the rating'),
    AUCTION_WEIGHT_SPEED: number(0.2, 0, 1000).describe('Weight of the estimated duration'),
    AUCTION_WEIGHT_REPUTATION: number(0.2, 0, 1000).describe('Weight of the completed tasks'),
    MIN_AGENTS_FOR_AUCTION: integer(3, 1, 1000).describe('Bids from which an auction counts as competitive'),
    MAX_AGENTS_FOR_AUCTION: integer(10, 1, 1000).describe('Agents invited to one auction'),
    MAX_SEATS_PER_OWNER: integer(2, 1, 1000).describe(
      'Agents of one owner that are invited to one auction; no limit where agents of one owner alone can bid',
    ),
    MIN_AGENT_RATING: number(3, 0, 5).describe(
      'Rating below which an agent is not invited, once the votes of enough accounts leave no doubt (six that all vote 1, for 3)',
    ),
    RATING_PRIOR_MEAN: number(3.5, 0, 5).describe('Rating of an agent nobody has rated'),
    RATING_PRIOR_WEIGHT: number(5, 0, 1000).describe('Votes this prior counts for'),
    ENABLE_FAILOVER: flag(true).describe('Let the next-ranked agent try when one fails'),
    MAX_FAILOVER_AGENTS: integer(3, 0, 100).describe('Further attempts that one auction may lead to'),
    MAX_AUCTION_ROUNDS: integer(2, 1, 10).describe(
      'Auctions held for one task: another one, among those who have not failed, when all attempts of the last have',
    ),
    REQUIRE_COMPETITION: flag(false).describe('Fail a task that too few agents bid for'),
    AUCTION_DISCOVERY_SEAT: flag(true).describe('Keep one seat for the owner that waited longest for an invitation'),

    AUCTION_HISTORY_TASKS: integer(5, 0, 1000).describe(
      'Completed tasks from which an auction believes what it has seen of an agent’s duration',
    ),
    AUCTION_UNPROVEN_MS: integer(1000, 1, 86_400_000).describe(
      'Least duration that an auction expects of an agent with fewer completed tasks, ms',
    ),
    AUCTION_EXPLORATION: number(0, 0, 0.5).describe(
      'Share of the auctions with a discovery seat that its bid wins whatever its score, e.g. 0.05',
    ),
    ENABLE_GEO_ROUTING: flag(false).describe('Let tasks name the region they would rather, or only, be done in'),
    GEO_ROUND_TRIPS_MS: roundTrips().describe(
      'Way there and back between regions, e.g. `eu:us=90,eu:asia=180`, ms; inside one it is 0',
    ),
    GEO_DEFAULT_ROUND_TRIP_MS: integer(150, 0, 60_000).describe(
      'The same between regions that GEO_ROUND_TRIPS_MS does not name together, ms',
    ),

    SANDBOX_SLOTS: integer(2, 1, 256).describe('Agents that run at the same time in one worker process'),
    SANDBOX_MEMORY_PAGES: integer(2048, 1, 16_384).describe('Linear memory of an agent, pages of 64 KiB'),
    SANDBOX_CPU_MS: integer(120_000, 1).describe('Processor time of one run, all threads, ms'),
    SANDBOX_STACK_KB: integer(2048, 128, 4096).describe("Stack of an agent's calls, KiB"),
    SANDBOX_TABLE_ELEMENTS: integer(100_000, 1, 10_000_000).describe('Elements of an agent table'),
    SANDBOX_OUTPUT_BYTES: integer(5 * MB, 1).describe('Largest output of an agent'),
    SANDBOX_STDERR_BYTES: integer(64 * 1024, 0).describe('Standard error that is kept of one run'),
    SANDBOX_STDERR_LINES: integer(1000, 0).describe('Lines of standard error that are kept of one run'),
    SANDBOX_CLOCK_RESOLUTION_US: integer(1000, 1, 1_000_000).describe(
      'Length of a tick of the clocks an agent sees, µs; finer ones let agents measure caches and neighbours',
    ),
    SANDBOX_RECYCLE_RUNS: integer(2000, 1).describe('Runs after which a sandbox process is replaced'),
    SANDBOX_RECYCLE_BYTES: integer(300 * MB, 1).describe(
      'Resident memory between two runs above which a sandbox process is replaced, and which warm ones may have together for each slot',
    ),
    SANDBOX_CACHE_BYTES: integer(256 * MB, 0).describe('Agent binaries a worker keeps in memory'),
    ...hostCallVariables,
    ...doorVariables,
    ALLOW_MISSING_WALLS: walls().describe(
      'Walls around agents that may be missing when NODE_ENV=production, e.g. `user,network`; with any other missing the server refuses to start',
    ),

    VALIDATION_MAX_FUNCTIONS: integer(20_000, 1).describe('Functions an agent binary may have'),
    VALIDATION_MAX_TABLE_ELEMENTS: integer(24_576, 0).describe(
      'Initial elements of its tables together; Go has 4,096 more than functions',
    ),
    VALIDATION_MAX_MEMORY_PAGES: integer(16_384, 1, 65_536).describe('Pages its memory may start with'),
    VALIDATION_MAX_LOCALS: integer(10_000, 0, 50_000).describe('Locals of one function'),
    VALIDATION_MAX_FUNCTION_BYTES: integer(MB, 2).describe('Bytes of the body of one function'),
    VALIDATION_MAX_NESTING: integer(10_000, 1).describe('Blocks inside one another in one function'),
    VALIDATION_MAX_IMPORTS: integer(1000, 0).describe('Imports of one binary'),
    VALIDATION_MAX_EXPORTS: integer(10_000, 1).describe('Exports of one binary'),
    VALIDATION_MAX_DATA_BYTES: integer(40 * MB, 0).describe('Bytes of all data segments together'),
    VALIDATION_MAX_CUSTOM_BYTES: integer(20 * MB, 0).describe(
      'Bytes of all custom sections (debug information) together',
    ),
    VALIDATION_TIMEOUT_MS: integer(5000, 100).describe("Time for the engine's own check of a binary, ms"),

    VALIDATOR_URL: url('tcp:', 'unix:')
      .optional()
      .describe(
        'Where API processes find the validator, and where `ROLES=validator` listens: `tcp://host:9465` or `unix:///run/zerostate/validator`; unset: an API process checks binaries in its own child processes',
      ),
    VALIDATOR_SECRET: z
      .string()
      .min(16, 'must have at least 16 characters')
      .optional()
      .describe('Shared by the validator and the API processes, needed with `tcp://`; good for nothing else'),

    EGRESS_HOSTS: hostPatterns().describe(
      'Hosts that agents may reach if their permissions name them: `api.example.com`, `*.example.com`, `api.example.com:8443` for another port; `*`: any public host on port 443 or 80',
    ),
    EGRESS_METHODS: httpMethods().describe('Methods of HTTP that agents may use if their permissions name them'),
    EGRESS_PRIVATE_HOSTS: privateHosts().describe(
      'Services of your own that agents may reach although their addresses are not public: `search.example.com:8080`, or with an address to use instead of DNS, `search.example.com:80=10.0.0.5:8080`',
    ),
    EGRESS_DNS_SERVERS: nameServers().describe(
      "Name servers for hosts that agents name, `address` or `address:port`; unset: the system's",
    ),
    EGRESS_TIMEOUT_MS: integer(20_000, 100, MAX_TIMER_MS).describe(
      'Time for one web request of an agent, its redirects included, ms',
    ),
    EGRESS_MAX_REQUEST_BYTES: integer(MB, 0, 64 * MB).describe('Largest body that an agent may send to a host'),
    EGRESS_MAX_RESPONSE_BYTES: integer(MB, 1, 64 * MB).describe('Largest body that an agent may get from a host'),
    EGRESS_CONNECTIONS: integer(256, 1).describe('Web requests of all agents under way at a time in one process'),
    EGRESS_CONNECTIONS_PER_AGENT: integer(8, 1).describe('Of these, by one agent'),
    EGRESS_CONNECTIONS_PER_HOST: integer(32, 1).describe('Of these, to one host'),

    LLM_BASE_URL: url('http:', 'https:')
      .optional()
      .describe(
        'Endpoint of the models that agents call, compatible with OpenAI’s, such as `https://api.openai.com/v1`; unset: `echo`, which is no model and repeats what it is asked',
      ),
    LLM_API_KEY: z.string().min(1).optional().describe('Key of that endpoint; agents never see it'),
    LLM_MODELS: priceList()
      .optional()
      .describe(
        'The models that agents can call, as JSON: `{"small":{"model":"gpt-4o-mini","input_price":"0.15","output_price":"0.6","max_tokens":4096}}`; prices are credits per million tokens; `"kind":"embed"` for embeddings',
      ),
    LLM_TIMEOUT_MS: integer(60_000, 100, MAX_TIMER_MS).describe(
      'Time for one call of a model, its repetitions included, ms',
    ),

    SECRETS_KEY: z
      .string()
      .min(32, 'must have at least 32 characters')
      .optional()
      .describe(
        'Encrypts the secrets that owners keep for their agents, the same for all processes; unset: generated into DATA_DIR, and with NODE_ENV=production no secrets are taken',
      ),
    SECRETS_KEY_PREVIOUS: list('')
      .refine((keys) => keys.every((key) => key.length >= 32), 'must be keys of at least 32 characters')
      .describe(
        'Other keys that secrets may still be encrypted with, separated by commas; each start encrypts theirs with SECRETS_KEY',
      ),

    CLAMD_URL: url('tcp:', 'unix:')
      .optional()
      .describe('clamd, `tcp://host:3310` or `unix:///run/clamav/clamd.ctl`; unset: uploads are not scanned'),
    SCAN_FAIL_OPEN: flag(false).describe('Let binaries in while clamd is away and scan them later; else 503'),
    SCAN_TIMEOUT_MS: integer(30_000, 100).describe('Time for one virus scan, ms'),
    SCAN_MAX_BYTES: integer(100 * MB, 1).describe(
      "Largest binary sent to clamd; keep below clamd's own StreamMaxLength",
    ),
    SCAN_RETRY_INTERVAL_MS: integer(60_000, 100).describe('Pause between two looks for versions not scanned yet, ms'),
  })
  .refine((env) => env.NODE_ENV !== 'production' || env.JWT_SECRET || env.ROLES.includes('validator'), {
    path: ['JWT_SECRET'],
    message: 'must be set when NODE_ENV=production (at least 32 random characters)',
    when: accepted('NODE_ENV', 'JWT_SECRET', 'ROLES'),
  })
  .superRefine((env, context) => {
    if (!env.ROLES.includes('validator')) return;
    const complain = (name: string, message: string) => context.addIssue({ code: 'custom', path: [name], message });
    if (env.ROLES.some((role) => role !== 'validator')) {
      complain('ROLES', 'validator stands alone: it reads binaries of strangers and has no secrets, others have some');
    }
    if (!env.VALIDATOR_URL) complain('VALIDATOR_URL', 'must be set with ROLES=validator: it is where that listens');
    for (const name of SECRETS) {
      if (env[name] !== undefined) complain(name, 'must not be set with ROLES=validator, which has no secrets');
    }
  })
  .refine((env) => !env.VALIDATOR_URL?.startsWith('tcp:') || env.VALIDATOR_SECRET, {
    path: ['VALIDATOR_SECRET'],
    message: 'must be set when VALIDATOR_URL is tcp:// (at least 16 random characters)',
    when: accepted('VALIDATOR_URL', 'VALIDATOR_SECRET'),
  })
  .refine((env) => !env.LLM_BASE_URL === !env.LLM_MODELS?.length, {
    path: ['LLM_MODELS'],
    message: 'LLM_BASE_URL and LLM_MODELS are set together or not at all, and at least one model is offered',
    when: accepted('LLM_BASE_URL', 'LLM_MODELS'),
  })
  .refine((env) => env.STORAGE_DRIVER !== 's3' || env.S3_BUCKET, {
    path: ['S3_BUCKET'],
    message: 'must be set when STORAGE_DRIVER=s3',
    when: accepted('STORAGE_DRIVER', 'S3_BUCKET'),
  })
  .refine((env) => !env.SMTP_URL || env.MAIL_FROM, {
    path: ['MAIL_FROM'],
    message: 'must be set when SMTP_URL is',
    when: accepted('SMTP_URL', 'MAIL_FROM'),
  })
  .refine((env) => !env.S3_ACCESS_KEY_ID === !env.S3_SECRET_ACCESS_KEY, {
    path: ['S3_SECRET_ACCESS_KEY'],
    message: 'S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are set together or not at all',
  })
  .refine((env) => sumOfWeights(env) > 0, {
    path: ['AUCTION_WEIGHT_*'],
    message: 'at least one weight must be above 0',
    when: accepted(
      'AUCTION_WEIGHT_PRICE',
      'AUCTION_WEIGHT_QUALITY',
      'AUCTION_WEIGHT_SPEED',
      'AUCTION_WEIGHT_REPUTATION',
    ),
  })
  .refine((env) => Number.isInteger(roundedTo6(env.MARKET_FEE_PERCENT * 10_000)), {
    path: ['MARKET_FEE_PERCENT'],
    message: 'must have at most 4 decimals',
    when: accepted('MARKET_FEE_PERCENT'),
  })
  .refine((env) => env.PAYOUT_DELAY_DAYS >= env.DISPUTE_DAYS, {
    path: ['PAYOUT_DELAY_DAYS'],
    message: 'must be at least DISPUTE_DAYS, so that a disputed price can be returned',
    when: accepted('PAYOUT_DELAY_DAYS', 'DISPUTE_DAYS'),
  })
  .refine((env) => env.TASK_TIMEOUT_MS <= env.MAX_TASK_TIMEOUT_MS, {
    path: ['TASK_TIMEOUT_MS'],
    message: 'must not be above MAX_TASK_TIMEOUT_MS',
    when: accepted('TASK_TIMEOUT_MS', 'MAX_TASK_TIMEOUT_MS'),
  });

/** Without the last digits of a product of decimals, which are not exact. */
function roundedTo6(value: number): number {
  return Number(value.toFixed(6));
}

export type Variables = z.infer<typeof variables>;

export const sumOfWeights = (
  env: Record<`AUCTION_WEIGHT_${'PRICE' | 'QUALITY' | 'SPEED' | 'REPUTATION'}`, number>,
): number =>
  env.AUCTION_WEIGHT_PRICE + env.AUCTION_WEIGHT_QUALITY + env.AUCTION_WEIGHT_SPEED + env.AUCTION_WEIGHT_REPUTATION;
