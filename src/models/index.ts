export { echoOf, usageOf } from './echo.js';
export { ModelsApiModule } from './models-api.module.js';
export { ModelsModule } from './models.module.js';
export { type ModelCallOutcome, Models, type PreparedModelCall } from './models.js';
