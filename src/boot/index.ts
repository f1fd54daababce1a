export { boot } from './boot.js';
