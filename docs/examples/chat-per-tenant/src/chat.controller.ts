import { Body, Controller, Post, Req, Res, UseGuards } from '@nestjs/common';
import { LlmClient, RateLimit, RateLimitGuard, type ChatRequestMessage } from 'nestjs-fast-litellm';
import type { ServerResponse } from 'node:http';
import { TenantGuard, tenantOn } from './tenants.js';

@Controller('chat')
@UseGuards(TenantGuard, RateLimitGuard)
export class ChatController {
  constructor(private readonly client: LlmClient) {}

  /** Streams the answer as events in OpenAI's format. */
  @Post()
  @RateLimit(
    { name: 'free', requestsPerMinute: 20, tokensPerMinute: 1_000, maxConcurrent: 2, key: tenantOn('free') },
    { name: 'pro', requestsPerMinute: 600, tokensPerMinute: 200_000, maxConcurrent: 50, key: tenantOn('pro') },
  )
  async chat(@Body('messages') messages: ChatRequestMessage[], @Req() request: object, @Res() response: ServerResponse): Promise<void> {
    // `request`: settles the reserved tokens by those used. `response`: a client that leaves ends the call.
    const answer = await this.client.chat({ model: 'chat', messages, stream: true }, { request, response });
    await answer.sendTo(response);
  }
}
