import { BadRequestException, Body, Controller, Module, Post, type DynamicModule } from '@nestjs/common';
import { FastLiteLLMModule, type ModelListEntry } from 'nestjs-fast-litellm';
import { LibraryService, type LibraryAnswer } from './library.service.js';

@Controller()
class LibraryController {
  constructor(private readonly library: LibraryService) {}

  @Post('documents')
  async add(@Body() { title, text }: { title?: unknown; text?: unknown }): Promise<{ chunks: number }> {
    return { chunks: await this.library.add(textOf('title', title), textOf('text', text)) };
  }

  @Post('questions')
  ask(@Body('question') question: unknown): Promise<LibraryAnswer> {
    return this.library.ask(textOf('question', question));
  }
}

function textOf(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new BadRequestException(`${name}: must be a string with characters`);
  return value;
}

@Module({})
export class AppModule {
  /** @param modelList deployments of the groups `chat` and `embeddings` */
  static with(modelList: ModelListEntry[]): DynamicModule {
    return {
      module: AppModule,
      imports: [FastLiteLLMModule.forRoot({ router: { modelList } })],
      controllers: [LibraryController],
      providers: [LibraryService],
    };
  }
}
