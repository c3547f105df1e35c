// The gateway module's route with all features: guard (requests and tokens), router with cooldowns,
import { Module } from '@nestjs/common';
import type { Type } from '@nestjs/common';
import { join } from 'node:path';
import { ROOT } from './contenders.js';

const MANY = 1_000_000_000;
const LIMIT = { requestsPerMinute: MANY, tokensPerMinute: MANY };

export function ours(origin: string): Type {
  const { FastLiteLLMGatewayModule, FastLiteLLMModule } = require(join(ROOT, 'dist', 'lib', 'index.js'));
  const deployment = (id: string): object => ({
    model_name: 'gpt-4o',
    litellm_params: { model: 'openai/gpt-4o', api_base: `${origin}/v1`, api_key: 'sk-bench' },
    model_info: { id },
  });
  class OursModule {}
  Module({
    imports: [
      FastLiteLLMModule.forRoot({
        router: { modelList: [deployment('one'), deployment('two')] },
        rateLimit: { limits: { chat: LIMIT } },
        connectionPool: { maxConnections: 1024, maxConnectionsPerEndpoint: 1024 },
        tokenCounter: { preload: ['o200k_base'] },
      }),
      FastLiteLLMGatewayModule.forRoot({ endpoints: ['chat'], rateLimit: [{ name: 'chat' }] }),
    ],
  })(OursModule);
  return OursModule;
}
