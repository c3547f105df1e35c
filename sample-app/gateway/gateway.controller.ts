import { Body, Controller, Get, HttpCode, Post, Req, Res, UseGuards } from '@nestjs/common';
import {
  InvalidArgumentError,
  LlmClient,
  RateLimit,
  RateLimitGuard,
  RouterService,
  SkipRateLimit,
  type AnswerTarget,
  type CallOptions,
  type ModelRequest,
} from 'nestjs-fast-litellm';
import { CHAT_RULES } from '../tiers/tiers.js';

type Reply = AnswerTarget & NonNullable<CallOptions['response']>;

interface ModelList {
  readonly object: 'list';
  readonly data: readonly { readonly id: string; readonly object: 'model'; readonly created: number; readonly owned_by: string }[];
}

/** OpenAI's API in front of all deployments of the router. */
@Controller('v1')
@UseGuards(RateLimitGuard)
@RateLimit(...CHAT_RULES)
export class GatewayController {
  constructor(
    private readonly client: LlmClient,
    private readonly router: RouterService,
  ) {}

  /**
   * Chat completion, complete or streamed: the provider's bytes, with routing details in the
   * headers.
   */
  @Post('chat/completions')
  @HttpCode(200)
  async chat(@Body() body: unknown, @Req() request: object, @Res() reply: Reply): Promise<void> {
    const answer = await this.client.chat(checkBody(body), { request, response: reply });
    await answer.sendTo(reply);
  }

  @Post('embeddings')
  @HttpCode(200)
  async embeddings(@Body() body: unknown, @Req() request: object, @Res() reply: Reply): Promise<void> {
    const answer = await this.client.embeddings(checkBody(body), { request, response: reply });
    await answer.sendTo(reply);
  }

  /** The model names that requests can use. */
  @Get('models')
  @SkipRateLimit()
  models(): ModelList {
    return { object: 'list', data: this.router.models().map((id) => ({ id, object: 'model', created: 0, owned_by: 'gateway' })) };
  }
}

function checkBody(body: unknown): ModelRequest {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as ModelRequest;
  throw new InvalidArgumentError('body', body, 'must be a JSON object');
}
