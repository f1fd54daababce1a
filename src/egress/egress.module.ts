import { Module } from '@nestjs/common';
import { EgressConfig } from '../config/index.js';
import { DirectEgress } from './drivers/direct.driver.js';
import { EGRESS, type Egress } from './egress.js';

/** How agents reach the web. */
@Module({
  providers: [{ provide: EGRESS, inject: [EgressConfig], useFactory: chooseEgress }],
  exports: [EGRESS],
})
export class EgressModule {}

function chooseEgress(config: EgressConfig): Egress {
  return new DirectEgress(config);
}
