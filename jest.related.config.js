/** Only lists suites: `scripts/test.js` asks which of them import a changed file. */
import unit from './jest.unit.config.js';

export default {
  ...unit,
  roots: ['<rootDir>/src', '<rootDir>/migrations', '<rootDir>/test', '<rootDir>/bench'],
  testRegex: String.raw`[.-]spec\.ts$`,
};
