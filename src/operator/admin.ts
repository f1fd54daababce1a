import type { Environment } from '../config/index.js';

export const createAdmin = async (_environment: Environment, _command: { email: string; passwordStdin: boolean }): Promise<string> => '';
