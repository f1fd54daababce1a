import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Access } from '../common/access.js';
import { ApiProblems } from '../common/api-problems.js';
import { Models } from './models.js';
import { ModelsDto, presentModel } from './models.dto.js';

@ApiTags('agents')
@Access('agents:read')
@Controller('models')
export class ModelsController {
  constructor(private readonly models: Models) {}

  /**
   * The models that agents can call, with their prices.
   * @remarks A version names them in `permissions.llm.models`. A task pays for the calls, up to its `max_host_cost`.
   */
  @Get()
  @ApiOperation({ operationId: 'listModels' })
  @ApiOkResponse({ type: ModelsDto, description: 'Every model, in the operator’s order.' })
  @ApiProblems(401, 403)
  list(): ModelsDto {
    return { items: this.models.list().map((model) => presentModel(model, this.models.areSimulated)) };
  }
}
