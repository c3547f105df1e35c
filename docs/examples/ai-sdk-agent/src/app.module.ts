import { BadRequestException, Body, Controller, Module, Post, type DynamicModule } from '@nestjs/common';
import { FastLiteLLMModule, type ModelListEntry } from 'nestjs-fast-litellm';
import { OrdersService } from './orders.service.js';
import { SupportAgent, type SupportAnswer } from './support.agent.js';

@Controller('questions')
class QuestionsController {
  constructor(private readonly agent: SupportAgent) {}

  @Post()
  ask(@Body('question') question: unknown): Promise<SupportAnswer> {
    if (typeof question !== 'string') throw new BadRequestException('question: must be a string');
    return this.agent.answer(question);
  }
}

@Module({})
export class AppModule {
  /** @param modelList deployments of the groups `agent` and `agent-backup` */
  static with(modelList: ModelListEntry[]): DynamicModule {
    return {
      module: AppModule,
      imports: [FastLiteLLMModule.forRoot({ router: { modelList, fallbacks: [{ agent: ['agent-backup'] }], numRetries: 1 } })],
      controllers: [QuestionsController],
      providers: [SupportAgent, OrdersService],
    };
  }
}
