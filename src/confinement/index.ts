export { confine, type Confinement } from './confinement.js';
export { describeEnd, killConfined } from './ending.js';
export { watchWalls } from './metrics.js';
