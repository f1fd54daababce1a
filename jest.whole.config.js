import config from './jest.config.js';

/** The whole run of `npm test`: the unit specs of each folder are one suite, which `npm run build:all` has written. */
export default {
  ...config,
  testRegex: String.raw`(\.units|\.contract-spec|\.e2e-spec)\.js$`,
};
