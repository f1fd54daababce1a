/**
 * Unit specs, straight from the TypeScript sources: no build, no type check, no services. `npm test` runs them again over
 * the build.
 */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/src', '<rootDir>/test', '<rootDir>/bench'],
  testRegex: String.raw`\.spec\.ts$`,
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'js', 'json', 'node'],
  // The sources import each other by the names of the compiled files.
  moduleNameMapper: { [String.raw`^(\.{1,2}/.*)\.js$`]: '$1' },
  transform: { [String.raw`\.ts$`]: '<rootDir>/scripts/transpile.js' },
};
