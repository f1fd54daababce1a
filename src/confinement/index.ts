export { confine, type Confinement, describeEnd, killConfined } from './confinement.js';
