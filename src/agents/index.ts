export { AgentBinary, type VersionLimits } from './agent-binary.entity.js';
export { AgentCatalog, type Candidate, type PricePolicy } from './agent-catalog.js';
export { AgentStatistics } from './agent-statistics.entity.js';
export { AgentCardChangesDto, CreateAgentDto } from './agent.dto.js';
export { Agent } from './agent.entity.js';
export { AgentService } from './agent.service.js';
export { AgentsModule } from './agents.module.js';
export { type AddedVersion, assertActive, type UploadTarget, VersionService } from './version.service.js';
export { VersionScans } from './version-scans.js';
