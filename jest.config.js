/**
 * Tests run over the compiled files in `dist/` (see the `test` script): the very JavaScript that ships, with the
 * Swagger plugin's metadata in it, and no second compiler.
 */
export default {
  testEnvironment: 'node',
  rootDir: 'dist',
  transform: {},
  testRegex: String.raw`(\.spec|\.contract-spec|\.e2e-spec)\.js$`,
  globalSetup: '<rootDir>/test/support/global-setup.js',
  globalTeardown: '<rootDir>/test/support/global-teardown.js',
  testTimeout: 60_000,
  // Most of the time goes into waiting for servers and databases, not into computing.
  maxWorkers: '100%',
  collectCoverageFrom: ['src/**/*.js', '!src/main.js'],
  coverageProvider: 'v8',
};
