import 'reflect-metadata';
import { Controller, Get, Inject, Module, Param } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

/** The peer of `GET /tasks/:id`: a Nest controller on the same adapter that answers the same bytes, and does nothing else. */
const DOCUMENT = JSON.parse(process.env.DOCUMENT!) as object;

@Controller('api/v1/tasks')
class TasksController {
  constructor(@Inject('document') private readonly document: object) {}

  @Get(':id')
  get(@Param('id') id: string): object {
    return { ...this.document, id };
  }
}

@Module({ controllers: [TasksController], providers: [{ provide: 'document', useValue: DOCUMENT }] })
class BareModule {}

const app = await NestFactory.create(BareModule, { logger: false });
await app.listen(0, '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));
process.once('disconnect', () => process.exit(0));
process.send?.({ type: 'listening', url: await app.getUrl() });
