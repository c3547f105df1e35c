import { checkObject, checkString, refuseArgument } from '../../common/options.js';
import { isLarge } from '../../http/body/body-object.js';
import { promptTokensOf } from '../../http/token-estimate/token-estimate.js';
import type { TokenCounterService } from '../../token-counter/token-counter.service.js';
import { localBody } from '../counted-request.js';

/** The response of Anthropic's `/v1/messages/count_tokens`. */
export interface MessageTokens {
  readonly input_tokens: number;
}

/**
 * Counts the input of a message by the encoding of its model. For models whose tokenizer is not
 * public, Claude too, it is an estimate, rounded up. Large bodies are counted off the main thread.
 * @throws InvalidArgumentError naming a wrong field
 */
export async function countMessagesTokens(body: object, counter: TokenCounterService): Promise<MessageTokens> {
  const fields = checkObject('body', body, refuseArgument);
  checkString('model', fields.model, refuseArgument);
  const tokens = await promptTokensOf(localBody(fields, 'messages'), { counter, isLarge: isLarge({ body }) });
  return { input_tokens: Math.ceil(tokens) };
}
