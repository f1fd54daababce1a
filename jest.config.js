/**
 * All suites, over what `npm run build:all` has compiled into `dist-test/`: the JavaScript that ships, with the Swagger
 * plugin's metadata in it. Unit specs alone run faster by `jest.unit.config.js`.
 */
export default {
  testEnvironment: 'node',
  rootDir: 'dist-test',
  transform: {},
  testRegex: String.raw`(\.spec|\.contract-spec|\.e2e-spec)\.js$`,
  globalSetup: '<rootDir>/test/support/global-setup.js',
  globalTeardown: '<rootDir>/test/support/global-teardown.js',
  reporters: ['default', '<rootDir>/../scripts/progress-reporter.js'],
  testTimeout: 60_000,
  testSequencer: '<rootDir>/../scripts/suite-order.js',
  // More workers than cores only make server starts run into their time-outs: the cores are busy already.
  maxWorkers: '100%',
  collectCoverageFrom: ['src/**/*.js', '!src/main.js'],
  coverageProvider: 'v8',
};
