export { AgentBinary } from './agent-binary.entity.js';
export { AgentCatalog, type Candidate } from './agent-catalog.js';
export { AgentStatistics } from './agent-statistics.entity.js';
export { CreateAgentDto } from './agent.dto.js';
export { Agent } from './agent.entity.js';
export { AgentService } from './agent.service.js';
export { AgentsModule } from './agents.module.js';
export { VersionScans } from './version-scans.js';
export { type AddedVersion, VersionService } from './version.service.js';
