import { isAbsolute } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parseEnvironment } from './environment.js';

describe('the environment', () => {
  it('is complete without a single variable', () => {
    const environment = parseEnvironment({});
    expect(environment.server).toMatchObject({ port: 8080, host: '127.0.0.1', roles: ['api', 'worker'], demo: true });
    expect(environment.database.url).toBeUndefined();
    expect(environment.queue.redisUrl).toBeUndefined();
    expect(environment.auction).toEqual({
      scoring: 'minmax',
      weights: { price: 0.3, quality: 0.3, speed: 0.2, reputation: 0.2 },
      minAgents: 3,
      maxAgents: 10,
      maxSeatsPerOwner: 2,
      payment: 'ask',
      minRating: 3,
      ratingPriorMean: 3.5,
      ratingPriorWeight: 5,
      enableFailover: true,
      maxFailoverAgents: 3,
      maxRounds: 2,
      exploration: 0,
      geo: { enabled: false, roundTripsMs: new Map(), defaultRoundTripMs: 150 },
      requireCompetition: false,
      discoverySeat: true,
      estimates: { historyTasks: 5, unprovenMs: 1000 },
    });
    expect(isAbsolute(environment.server.dataDir) && isAbsolute(environment.storage.dir)).toBe(true);
  });

  it('takes an empty variable for one that is not set', () => {
    expect(parseEnvironment({ PORT: '', REDIS_URL: '', ROLES: '', DEMO: '', JWT_SECRET: '' })).toEqual(
      parseEnvironment({}),
    );
  });

  it.each([
    ['TRUST_PROXY', 'true'],
    ['TRUST_PROXY', '10.0.0.0/8, proxy.example'],
    ['PORT', 'http'],
    ['PORT', '65536'],
    ['PORT', '80.5'],
    ['ROLES', 'api,cook'],
    ['ROLES', ','],
    ['DEMO', 'yes'],
    ['LOG_LEVEL', 'loud'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'localhost:4318'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
    ['OTEL_TRACES_SAMPLER', 'jaeger_remote'],
    ['OTEL_TRACES_SAMPLER_ARG', '2'],
    ['NODE_ENV', 'prod'],
    ['CORS_ORIGINS', '*'],
    ['CORS_ORIGINS', 'https://app.example.org/'],
    ['OTEL_TRACES_EXPORTER', 'zipkin'],
    ['DATABASE_URL', 'localhost'],
    ['DATABASE_URL', 'mysql://localhost/zerostate'],
    ['REDIS_URL', 'localhost:6379'],
    ['QUEUE_PREFIX', 'a:b'],
    ['WORKER_CONCURRENCY', '0'],
    ['STORAGE_DRIVER', 'floppy'],
    ['S3_ENDPOINT', 'minio:9000'],
    ['S3_SSE', 'rot13'],
    ['IPFS_GATEWAY_URL', 'ipfs.io'],
    ['JWT_SECRET', 'short'],
    ['ADMIN_EMAIL', 'nobody'],
    ['ADMIN_PASSWORD', 'short'],
    ['MAX_BINARY_BYTES', '-1'],
    ['TASK_TIMEOUT_MS', '300001'],
    ['AUCTION_WEIGHT_PRICE', '-0.1'],
    ['AUCTION_WEIGHT_PRICE', 'NaN'],
    ['AUCTION_WEIGHT_PRICE', 'Infinity'],
    ['MIN_AGENT_RATING', '5.1'],
    ['SANDBOX_SLOTS', '0'],
  ])('refuses %s=%s and names the variable', (name, value) => {
    const [heading, ...mistakes] = mistakesOf({ [name]: value });
    expect(heading).toBe('The configuration has mistakes:');
    expect(mistakes).toHaveLength(1);
    expect(mistakes[0]).toMatch(new RegExp(`^  ${name}\\b.*: .`));
  });

  it('tells all mistakes at once', () => {
    const text = mistakesOf({ PORT: 'x', REDIS_URL: 'x', ADMIN_EMAIL: 'x', SANDBOX_SLOTS: 'x' }).join('\n');
    for (const name of ['PORT', 'REDIS_URL', 'ADMIN_EMAIL', 'SANDBOX_SLOTS']) expect(text).toContain(`  ${name}: `);
  });

  it('tells mistakes between variables together with those of single ones', () => {
    const text = mistakesOf({ NODE_ENV: 'production', PORT: 'x' }).join('\n');
    expect(text).toContain('  PORT: ');
    expect(text).toContain('  JWT_SECRET: ');
  });

  it('normalises weights to a sum of 1', () => {
    const { weights } = parseEnvironment({
      AUCTION_WEIGHT_PRICE: '6',
      AUCTION_WEIGHT_QUALITY: '0',
      AUCTION_WEIGHT_SPEED: '1',
      AUCTION_WEIGHT_REPUTATION: '1',
    }).auction;
    expect(weights).toEqual({ price: 0.75, quality: 0, speed: 0.125, reputation: 0.125 });
  });

  it('refuses weights that are all zero', () => {
    const zero = { PRICE: '0', QUALITY: '0', SPEED: '0', REPUTATION: '0' };
    const variables = Object.entries(zero).map(([term, weight]) => [`AUCTION_WEIGHT_${term}`, weight]);
    expect(mistakesOf(Object.fromEntries(variables) as NodeJS.ProcessEnv).join('\n')).toContain('AUCTION_WEIGHT_');
  });

  it('wants a signing secret in production, and shows no demo there', () => {
    expect(mistakesOf({ NODE_ENV: 'production' }).join('\n')).toContain('  JWT_SECRET: ');
    const secret = 'x'.repeat(32);
    const { auth, server } = parseEnvironment({ NODE_ENV: 'production', JWT_SECRET: secret, DEMO: 'true' });
    expect(auth.jwtSecret).toBe(secret);
    expect(server).toMatchObject({ production: true, demo: false });
  });

  it('wants a bucket to store in, and both halves of a key or none', () => {
    expect(mistakesOf({ STORAGE_DRIVER: 's3' }).join('\n')).toContain('  S3_BUCKET: ');
    expect(mistakesOf({ S3_ACCESS_KEY_ID: 'key' }).join('\n')).toContain('  S3_SECRET_ACCESS_KEY: ');
    const { s3, driver } = parseEnvironment({ S3_BUCKET: 'binaries', S3_ENDPOINT: 'http://minio:9000' }).storage;
    expect(driver).toBe('local');
    expect(s3).toEqual({
      bucket: 'binaries',
      endpoint: 'http://minio:9000',
      region: 'us-east-1',
      forcePathStyle: true,
    });
    expect(parseEnvironment({ S3_BUCKET: 'binaries' }).storage.s3?.forcePathStyle).toBe(false);
  });

  it.each([
    ['0', false],
    ['2', 2],
    ['loopback, 10.0.0.0/8', ['loopback', '10.0.0.0/8']],
  ])('reads of TRUST_PROXY=%s which proxies there are', (given, trustProxy) => {
    expect(parseEnvironment({ TRUST_PROXY: given }).protection.trustProxy).toEqual(trustProxy);
  });

  it('reads lists with spaces, and a role that is named twice once', () => {
    const { server } = parseEnvironment({ ROLES: ' worker , worker', CORS_ORIGINS: 'https://a.test, https://b.test,' });
    expect(server.roles).toEqual(['worker']);
    expect(server.corsOrigins).toEqual(['https://a.test', 'https://b.test']);
  });

  it('wants a validator to stand alone and without any secret', () => {
    const url = 'unix:///run/validator';
    const validator = { ROLES: 'validator', VALIDATOR_URL: url, NODE_ENV: 'production', ADMIN_PASSWORD: '' };
    expect(parseEnvironment(validator).server.roles).toEqual(['validator']);
    const secrets = {
      DATABASE_URL: 'postgresql://db/z',
      JWT_SECRET: 'x'.repeat(32),
      ADMIN_PASSWORD: 'a-long-password',
    };
    for (const [name, value] of Object.entries(secrets)) {
      expect(() => parseEnvironment({ ...validator, [name]: value })).toThrow(`${name}: must not be set with ROLES=`);
    }
    expect(() => parseEnvironment({ ...validator, ROLES: 'worker,validator' })).toThrow('validator stands alone');
    expect(() => parseEnvironment({ ROLES: 'validator' })).toThrow('VALIDATOR_URL: must be set');
    expect(() => parseEnvironment({ VALIDATOR_URL: 'tcp://validator:9465' })).toThrow('VALIDATOR_SECRET: must be set');
  });

  it('reads the ways between regions in both directions, and refuses what is none', () => {
    const { roundTripsMs } = parseEnvironment({ GEO_ROUND_TRIPS_MS: 'eu:us=90, eu:asia=180' }).auction.geo;
    expect([...roundTripsMs]).toEqual(
      expect.arrayContaining([
        ['eu:us', 90],
        ['us:eu', 90],
        ['asia:eu', 180],
      ]),
    );
    expect(() => parseEnvironment({ GEO_ROUND_TRIPS_MS: 'eu-us' })).toThrow(/GEO_ROUND_TRIPS_MS: "eu-us"/);
  });

  it('lets no binary pass validation that the sandbox has no memory for', () => {
    expect(parseEnvironment({ SANDBOX_MEMORY_PAGES: '16' }).validation.maxMemoryPages).toBe(16);
  });

  it('limits binaries by default to what real ones need', () => {
    expect(parseEnvironment({}).validation).toEqual({
      maxFunctions: 20_000,
      maxTableElements: 24_576,
      maxMemoryPages: 2048,
      maxLocals: 10_000,
      maxFunctionBytes: 1_048_576,
      maxNesting: 10_000,
      maxImports: 1000,
      maxExports: 10_000,
      maxDataBytes: 41_943_040,
      maxCustomBytes: 20_971_520,
      engineTimeoutMs: 5000,
    });
    const { maxMemoryPages } = parseEnvironment({ SANDBOX_MEMORY_PAGES: '16384' }).validation;
    expect(maxMemoryPages).toBe(16_384);
  });
});

/** The lines of the error, of which the first is its heading; fails when there is none. */
function mistakesOf(source: NodeJS.ProcessEnv): string[] {
  try {
    parseEnvironment(source);
  } catch (error) {
    return (error as Error).message.split('\n');
  }
  throw new Error(`accepted ${JSON.stringify(source)}`);
}
