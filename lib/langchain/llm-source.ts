import { checkObject, checkString, refuseArgument } from '../common/options.js';
import type { LlmClient } from '../calls/llm-client.service.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';

/**
 * The client and token counter that models use: a `FastLiteLLM`, or parts that Nest has injected.
 */
export interface LlmSource {
  readonly client: LlmClient;
  readonly tokenCounter: TokenCounterService;
}

/** @throws InvalidArgumentError naming the field. */
export function checkSource(fields: { readonly llm: LlmSource; readonly model: string }): void {
  const { llm, model } = checkObject('fields', fields, refuseArgument);
  const { client, tokenCounter } = checkObject('llm', llm, refuseArgument) as unknown as LlmSource;
  checkObject('llm.client', client, refuseArgument);
  checkObject('llm.tokenCounter', tokenCounter, refuseArgument);
  checkString('model', model, refuseArgument);
}
