export * from './environment.js';
export * from './run-limits.js';
