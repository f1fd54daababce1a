export { AgentSecrets, type RevealedSecret } from './agent-secrets.js';
export { SecretBox, type SealedSecret, secretsKeyMissing } from './secret-box.js';
export { SecretsApiModule } from './secrets-api.module.js';
export { SecretsModule } from './secrets.module.js';
