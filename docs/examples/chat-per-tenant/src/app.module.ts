import { Module, type DynamicModule } from '@nestjs/common';
import { FastLiteLLMModule, OpenAIErrorFilter, type ModelListEntry } from 'nestjs-fast-litellm';
import { APP_FILTER } from '@nestjs/core';
import { ChatController } from './chat.controller.js';

@Module({})
export class AppModule {
  static with(modelList: ModelListEntry[]): DynamicModule {
    return {
      module: AppModule,
      imports: [FastLiteLLMModule.forRoot({ router: { modelList } })],
      controllers: [ChatController],
      providers: [{ provide: APP_FILTER, useClass: OpenAIErrorFilter }],
    };
  }
}
