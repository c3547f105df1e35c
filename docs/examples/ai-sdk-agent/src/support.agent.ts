import { Injectable } from '@nestjs/common';
import { generateText, stepCountIs, tool, type ToolSet } from 'ai';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { createFastLiteLLM, type FastLiteLLMProvider } from 'nestjs-fast-litellm/ai-sdk';
import { z } from 'zod';
import { OrdersService } from './orders.service.js';

export interface SupportAnswer {
  readonly text: string;
  /** The tools that were called, in order. */
  readonly tools: readonly string[];
  /** The deployment that answered each step. */
  readonly answeredBy: readonly string[];
  readonly totalTokens: number;
}

@Injectable()
export class SupportAgent {
  private readonly models: FastLiteLLMProvider;
  private readonly tools: ToolSet;

  constructor(
    llm: FastLiteLLM,
    private readonly orders: OrdersService,
  ) {
    this.models = createFastLiteLLM(llm);
    this.tools = {
      findOrder: tool({
        description: 'Finds an order by its number',
        inputSchema: z.object({ id: z.string() }),
        execute: ({ id }) => this.orders.find(id) ?? 'no such order',
      }),
      refund: tool({
        description: 'Refunds an order, in part or in full',
        inputSchema: z.object({ id: z.string(), usd: z.number().positive() }),
        execute: ({ id, usd }) => this.orders.refund(id, usd),
      }),
    };
  }

  async answer(prompt: string): Promise<SupportAnswer> {
    // Each step may be answered by another provider. The SDK's own retries are off: the router has made its own.
    const { text, steps, totalUsage } = await generateText({
      model: this.models('agent'),
      system: 'You answer customers of a shop. Look an order up before you refund it.',
      prompt,
      tools: this.tools,
      stopWhen: stepCountIs(5),
    });
    return {
      text,
      tools: steps.flatMap(({ toolCalls }) => toolCalls.map(({ toolName }) => toolName)),
      answeredBy: steps.map(({ providerMetadata }) => String(providerMetadata?.fastLiteLLM?.deploymentId)),
      totalTokens: totalUsage.totalTokens ?? 0,
    };
  }
}
