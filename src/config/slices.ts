import { resolve } from 'node:path';
import { DAY_MS } from './variable-types.js';
import { sumOfWeights, type Variables } from './variables.js';

// What the parts of a server are handed. The description of its variable says what a member means; here is only what that leaves open.

export function server(env: Variables) {
  const production = env.NODE_ENV === 'production';
  return {
    host: env.HOST,
    port: env.PORT,
    roles: [...new Set(env.ROLES)],
    production,
    exampleAgents: production ? ('none' as const) : env.EXAMPLE_AGENTS,
    demo: env.DEMO && !production,
    dataDir: resolve(env.DATA_DIR),
    minFreeDiskBytes: env.MIN_FREE_DISK_BYTES,
    logLevel: env.LOG_LEVEL,
    corsOrigins: env.CORS_ORIGINS,
    allowMissingWalls: env.ALLOW_MISSING_WALLS,
    shutdownDelayMs: env.SHUTDOWN_DELAY_MS,
  };
}

export const metrics = (env: Variables) => ({ host: env.METRICS_HOST, port: env.METRICS_PORT });

export function tracing(env: Variables) {
  const wanted = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ?? env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const on = wanted !== undefined && env.OTEL_TRACES_EXPORTER === 'otlp' && !env.OTEL_SDK_DISABLED;
  return {
    /** Unset: no traces are sent. The SDK reads where to from the environment itself. */
    protocol: on ? (env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? env.OTEL_EXPORTER_OTLP_PROTOCOL) : undefined,
    serviceName: env.OTEL_SERVICE_NAME,
    sampler: env.OTEL_TRACES_SAMPLER,
    /** Of the traces, with a sampler that takes a share of them. */
    share: env.OTEL_TRACES_SAMPLER_ARG,
  };
}

export const database = (env: Variables) => ({
  url: env.DATABASE_URL,
  /** Address of the role that owns the tables. Unset: the role of `url` owns them. */
  ownerUrl: env.DATABASE_OWNER_URL,
  poolSize: env.DATABASE_POOL_SIZE,
});

export const queue = (env: Variables) => ({
  redisUrl: env.REDIS_URL,
  prefix: env.QUEUE_PREFIX,
  /** Tasks that may wait to start now. */
  waiting: {
    places: env.QUEUE_MAX_SIZE,
    perAccount: env.MAX_WAITING_PER_USER,
  },
  /** Tasks that may wait for a later start. */
  delayed: {
    places: env.QUEUE_MAX_DELAYED,
    perAccount: env.MAX_DELAYED_PER_USER,
  },
  workerConcurrency: env.WORKER_CONCURRENCY,
  /**
   * Tasks that a worker takes at a time while they run for long: as many as run, and two that are awarded meanwhile.
   */
  workerLeast: Math.min(env.WORKER_CONCURRENCY, env.SANDBOX_SLOTS + 2),
  /** Whether users take turns. Without turns there is one order by priority over all users. */
  fairness: env.QUEUE_FAIRNESS === 'on',
  /** Tasks of one user in the queue or with a worker at a time, so that no more than these run. */
  userWindow: Math.min(env.QUEUE_USER_WINDOW, env.MAX_RUNNING_PER_USER),
  ageStepMs: env.QUEUE_AGE_STEP_MS,
  shutdownGraceMs: env.SHUTDOWN_GRACE_MS,
  sweepIntervalMs: env.SWEEP_INTERVAL_MS,
});

/** Tasks above a sub-task, at most. */
const MAX_SUB_TASK_DEPTH = 5;

/** Calls of agents to the host. */
export const hostCalls = (env: Variables) => ({
  /** Kinds of permission that versions may have and agents may use. */
  offered: env.HOST_CALLS,
  perAttempt: env.HOST_CALLS_PER_ATTEMPT,
  maxRequestBytes: env.HOST_CALL_REQUEST_BYTES,
  maxAnswerBytes: env.HOST_CALL_ANSWER_BYTES,
  maxAttemptBytes: env.HOST_CALL_ATTEMPT_BYTES,
  timeoutMs: env.HOST_CALL_TIMEOUT_MS,
  maxOutputBytes: env.HOST_CALL_OUTPUT_BYTES,
  questions: {
    perAttempt: env.QUESTIONS_PER_ATTEMPT,
    maxWaitMs: env.QUESTION_WAIT_MS,
    maxAnswerBytes: env.QUESTION_ANSWER_BYTES,
  },
  subTasks: { depth: MAX_SUB_TASK_DEPTH, below: env.SUB_TASKS_PER_TASK },
  parked: { most: env.PARKED_AGENTS, perAccount: env.PARKED_AGENTS_PER_ACCOUNT },
  state: { entries: env.AGENT_STATE_ENTRIES, bytes: env.AGENT_STATE_BYTES, valueBytes: env.AGENT_STATE_VALUE_BYTES },
});

export const storage = (env: Variables) => ({
  driver: env.STORAGE_DRIVER,
  /** Of the local driver, and of staged uploads. */
  dir: resolve(env.DATA_DIR, 'blobs'),
  /** Set when a bucket is named. */
  s3: s3Slice(env),
  ipfs: { dir: resolve(env.DATA_DIR, 'ipfs'), apiUrl: env.IPFS_API_URL, gatewayUrl: env.IPFS_GATEWAY_URL },
  maxBinaryBytes: env.MAX_BINARY_BYTES,
  maxFormBytes: env.MAX_FORM_BYTES,
  cleanupIntervalMs: env.CLEANUP_INTERVAL_MS,
  cleanupGraceMs: env.CLEANUP_GRACE_MS,
});

export type StorageDriver = ReturnType<typeof storage>['driver'];

export type S3Config = NonNullable<ReturnType<typeof s3Slice>>;
function s3Slice(env: Variables) {
  if (!env.S3_BUCKET) return undefined;
  const { S3_ACCESS_KEY_ID: accessKeyId, S3_SECRET_ACCESS_KEY: secretAccessKey } = env;
  return {
    bucket: env.S3_BUCKET,
    endpoint: env.S3_ENDPOINT,
    publicEndpoint: env.S3_PUBLIC_ENDPOINT,
    region: env.S3_REGION,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined,
    forcePathStyle: env.S3_FORCE_PATH_STYLE ?? env.S3_ENDPOINT !== undefined,
    serverSideEncryption: env.S3_SSE,
  };
}

export const quotas = (env: Variables) => ({
  /** That are not retired. */
  agents: env.MAX_AGENTS_PER_USER,
  newCapabilitiesPerDay: env.MAX_NEW_CAPABILITIES_PER_DAY,
  /** Most bytes of a user's versions, tasks and documents together. */
  storedBytes: env.MAX_STORED_BYTES_PER_USER,
  /** How long an account that registered by itself has only this share of them. */
  youngMs: env.YOUNG_ACCOUNT_HOURS * 3_600_000,
  youngFactor: env.YOUNG_ACCOUNT_QUOTA_FACTOR,
});

export const auth = (env: Variables) => ({
  /** Unset outside production: made once and kept in the data folder. */
  jwtSecret: env.JWT_SECRET,
  /** Seconds, as the next. */
  accessTokenTtl: env.ACCESS_TOKEN_TTL,
  sessionTtl: env.SESSION_TTL,
  /** Of sessions and API keys that have ended. */
  retentionMs: env.ACCESS_RETENTION_DAYS * DAY_MS,
  openRegistration: env.REGISTRATION === 'open',
  /** A day, as the next. */
  registrationsPerAddress: env.REGISTRATIONS_PER_ADDRESS,
  registrationsPerNetwork: env.REGISTRATIONS_PER_NETWORK,
  adminEmail: env.ADMIN_EMAIL.toLowerCase(),
  adminPassword: env.ADMIN_PASSWORD,
});

export const mail = (env: Variables) => ({
  /** Unset: no mail is sent. */
  smtpUrl: env.SMTP_URL,
  from: env.MAIL_FROM ?? '',
  resetPage: env.PASSWORD_RESET_URL,
  /** Seconds. */
  resetTtl: env.PASSWORD_RESET_TTL,
});

export const protection = (env: Variables) => ({
  rateLimits: env.RATE_LIMIT_ENABLED,
  perMinute: {
    auth: env.RATE_LIMIT_AUTH,
    read: env.RATE_LIMIT_READ,
    write: env.RATE_LIMIT_WRITE,
    simulate: env.RATE_LIMIT_SIMULATE,
    upload: env.RATE_LIMIT_UPLOAD,
  },
  /** As Express's `trust proxy`. */
  trustProxy: env.TRUST_PROXY,
  maxConnections: env.MAX_CONNECTIONS,
  maxConnectionsPerAddress: env.MAX_CONNECTIONS_PER_ADDRESS,
  /** Infinity: no limit, as of the next. */
  maxRequestsPerSecond: env.RATE_LIMIT_ENABLED ? env.RATE_LIMIT_FLOOD : Infinity,
  maxRefusedPerSecond: env.RATE_LIMIT_ENABLED ? env.RATE_LIMIT_REFUSED : Infinity,
  headersTimeoutMs: env.HEADERS_TIMEOUT_MS,
  bodyTimeoutMs: env.BODY_TIMEOUT_MS,
  uploadTimeoutMs: env.UPLOAD_TIMEOUT_MS,
  idleTimeoutMs: env.IDLE_TIMEOUT_MS,
  maxLagMs: env.MAX_EVENT_LOOP_LAG_MS,
});

export const gateway = (env: Variables) => ({
  /** Of one process: sockets and event streams together, as of the next. */
  maxConnectionsPerUser: env.GATEWAY_CONNECTIONS_PER_USER,
  maxConnectionsPerAddress: env.GATEWAY_CONNECTIONS_PER_ADDRESS,
});

export const tasks = (env: Variables) => ({
  maxInputBytes: env.MAX_INPUT_BYTES,
  maxInputBlobBytes: env.MAX_INPUT_BLOB_BYTES,
  documentTtlMs: env.DOCUMENT_TTL_MS,
  defaultTimeoutMs: env.TASK_TIMEOUT_MS,
  maxTimeoutMs: env.MAX_TASK_TIMEOUT_MS,
  maxDelayMs: env.MAX_TASK_DELAY_MS,
  /** 0: for ever, as of the next. */
  taskRetentionMs: env.TASK_RETENTION_DAYS * DAY_MS,
  eventRetentionMs: env.EVENT_RETENTION_DAYS * DAY_MS,
  retentionIntervalMs: env.RETENTION_INTERVAL_MS,
  idempotencyTtlMs: env.IDEMPOTENCY_TTL_MS,
});

/** Who may be on the market. */
export const market = (env: Variables) => ({ agentApproval: env.AGENT_APPROVAL });

/** Money: what accounts get, what the market keeps, and when earnings are paid. */
export const ledger = (env: Variables) => ({
  /** Opening grant of a new account, micro-credits. */
  signupMicro: env.SIGNUP_CREDITS ?? (env.NODE_ENV === 'production' ? 0n : 100_000_000n),
  /** The market's part of a price, millionths. */
  feeMillionths: BigInt(Math.round(env.MARKET_FEE_PERCENT * 10_000)),
  payoutDelayMs: env.PAYOUT_DELAY_DAYS * DAY_MS,
  disputeMs: env.DISPUTE_DAYS * DAY_MS,
  checkIntervalMs: env.LEDGER_CHECK_INTERVAL_MS,
});

export type AuctionWeights = ReturnType<typeof auction>['weights'];
/** What distance costs: the way there and back between regions, added to an agent's estimate. */
export type GeoConfig = ReturnType<typeof auction>['geo'];
export function auction(env: Variables) {
  const weight = sumOfWeights(env);
  return {
    scoring: env.AUCTION_SCORING,
    payment: env.AUCTION_PAYMENT,
    /** Not negative; their sum is 1. */
    weights: {
      price: env.AUCTION_WEIGHT_PRICE / weight,
      quality: env.AUCTION_WEIGHT_QUALITY / weight,
      speed: env.AUCTION_WEIGHT_SPEED / weight,
      reputation: env.AUCTION_WEIGHT_REPUTATION / weight,
    },
    minAgents: env.MIN_AGENTS_FOR_AUCTION,
    maxAgents: env.MAX_AGENTS_FOR_AUCTION,
    maxSeatsPerOwner: env.MAX_SEATS_PER_OWNER,
    minRating: env.MIN_AGENT_RATING,
    ratingPriorMean: env.RATING_PRIOR_MEAN,
    ratingPriorWeight: env.RATING_PRIOR_WEIGHT,
    enableFailover: env.ENABLE_FAILOVER,
    maxFailoverAgents: env.MAX_FAILOVER_AGENTS,
    maxRounds: env.MAX_AUCTION_ROUNDS,
    requireCompetition: env.REQUIRE_COMPETITION,
    geo: {
      enabled: env.ENABLE_GEO_ROUTING,
      /** By both regions in either order, `a:b`. */
      roundTripsMs: env.GEO_ROUND_TRIPS_MS,
      defaultRoundTripMs: env.GEO_DEFAULT_ROUND_TRIP_MS,
    },
    discoverySeat: env.AUCTION_DISCOVERY_SEAT,
    exploration: env.AUCTION_EXPLORATION,
    estimates: { historyTasks: env.AUCTION_HISTORY_TASKS, unprovenMs: env.AUCTION_UNPROVEN_MS },
  };
}

export const sandbox = (env: Variables) => ({
  /** Child processes, each running one agent at a time. */
  slots: env.SANDBOX_SLOTS,
  maxMemoryPages: env.SANDBOX_MEMORY_PAGES,
  maxTableElements: env.SANDBOX_TABLE_ELEMENTS,
  maxCpuMs: env.SANDBOX_CPU_MS,
  stackKb: env.SANDBOX_STACK_KB,
  maxInputBytes: Math.max(env.MAX_INPUT_BYTES, env.MAX_INPUT_BLOB_BYTES),
  /** Of a task whose result is part of the task. */
  maxOutputBytes: env.SANDBOX_OUTPUT_BYTES,
  /** Of a task whose result is a document of its own. */
  maxOutputBlobBytes: Math.max(env.SANDBOX_OUTPUT_BYTES, env.MAX_OUTPUT_BLOB_BYTES),
  maxStderrBytes: env.SANDBOX_STDERR_BYTES,
  maxStderrLines: env.SANDBOX_STDERR_LINES,
  clockResolutionUs: env.SANDBOX_CLOCK_RESOLUTION_US,
  recycleAfterRuns: env.SANDBOX_RECYCLE_RUNS,
  recycleAboveBytes: env.SANDBOX_RECYCLE_BYTES,
  binaryCacheBytes: env.SANDBOX_CACHE_BYTES,
});

export const validation = (env: Variables) => ({
  maxFunctions: env.VALIDATION_MAX_FUNCTIONS,
  maxTableElements: env.VALIDATION_MAX_TABLE_ELEMENTS,
  // A module the sandbox could not give its first page would pass here only to fail at every run.
  maxMemoryPages: Math.min(env.VALIDATION_MAX_MEMORY_PAGES, env.SANDBOX_MEMORY_PAGES),
  maxLocals: env.VALIDATION_MAX_LOCALS,
  maxFunctionBytes: env.VALIDATION_MAX_FUNCTION_BYTES,
  maxNesting: env.VALIDATION_MAX_NESTING,
  maxImports: env.VALIDATION_MAX_IMPORTS,
  maxExports: env.VALIDATION_MAX_EXPORTS,
  maxDataBytes: env.VALIDATION_MAX_DATA_BYTES,
  maxCustomBytes: env.VALIDATION_MAX_CUSTOM_BYTES,
  engineTimeoutMs: env.VALIDATION_TIMEOUT_MS,
  /** Unset: binaries are checked in child processes of the server. */
  validator: env.VALIDATOR_URL === undefined ? undefined : { url: env.VALIDATOR_URL, secret: env.VALIDATOR_SECRET },
});

/** The Model Context Protocol. */
export const mcp = (env: Variables) => ({
  enabled: env.MCP_ENABLED,
  /** Address of the endpoint as clients reach it. Unset: the address that each client names. */
  url: env.MCP_URL === undefined ? undefined : new URL(env.MCP_URL),
  /** Web pages of these origins may call it. */
  origins: env.CORS_ORIGINS,
});

/** Events that are sent to servers of users. */
export const webhooks = (env: Variables) => ({
  perUser: env.MAX_WEBHOOKS_PER_USER,
  timeoutMs: env.WEBHOOK_TIMEOUT_MS,
  concurrency: env.WEBHOOK_CONCURRENCY,
});

/** How agents reach the web. */
export const egress = (env: Variables) => ({
  ceiling: { hosts: env.EGRESS_HOSTS, methods: env.EGRESS_METHODS, privateHosts: env.EGRESS_PRIVATE_HOSTS },
  dnsServers: env.EGRESS_DNS_SERVERS,
  timeoutMs: env.EGRESS_TIMEOUT_MS,
  maxRequestBytes: env.EGRESS_MAX_REQUEST_BYTES,
  maxResponseBytes: env.EGRESS_MAX_RESPONSE_BYTES,
  connections: {
    total: env.EGRESS_CONNECTIONS,
    perTenant: env.EGRESS_CONNECTIONS_PER_AGENT,
    perHost: env.EGRESS_CONNECTIONS_PER_HOST,
  },
});

/** The models that agents can call. */
export const llm = (env: Variables) => ({
  /** Unset: this server makes up answers. */
  endpoint: env.LLM_BASE_URL
    ? { baseUrl: env.LLM_BASE_URL, apiKey: env.LLM_API_KEY, timeoutMs: env.LLM_TIMEOUT_MS }
    : undefined,
  models: env.LLM_MODELS ?? [],
});

/** Keys that secrets of agents are encrypted with. */
export const secrets = (env: Variables) => ({
  /** Unset outside production: made once and kept in the data folder. */
  key: env.SECRETS_KEY,
  previousKeys: env.SECRETS_KEY_PREVIOUS,
});

export const scanner = (env: Variables) => ({
  clamdUrl: env.CLAMD_URL,
  failOpen: env.SCAN_FAIL_OPEN,
  timeoutMs: env.SCAN_TIMEOUT_MS,
  maxBytes: env.SCAN_MAX_BYTES,
  rescanIntervalMs: env.SCAN_RETRY_INTERVAL_MS,
});

export type Role = Variables['ROLES'][number];
export type LogLevel = Variables['LOG_LEVEL'];
export type ScoringStrategy = Variables['AUCTION_SCORING'];
export type PaymentRule = Variables['AUCTION_PAYMENT'];
export type OtlpProtocol = Variables['OTEL_EXPORTER_OTLP_PROTOCOL'];
