export * from './environment.js';
export * from './installation.js';
export * from './run-limits.js';
