import { checkObject, checkString, refuseArgument } from '../../common/options.js';
import { isLarge } from '../../http/body/body-object.js';
import { promptTokensOf } from '../../http/token-estimate/token-estimate.js';
import type { TokenCounterService } from '../../token-counter/token-counter.service.js';
import { localBody } from '../counted-request.js';

/** The response of OpenAI's `/v1/responses/input_tokens`. */
export interface ResponseTokens {
  readonly object: 'response.input_tokens';
  readonly input_tokens: number;
}

/**
 * Counts the input of a response by the encoding of its model, without earlier responses that only
 * the provider has. Large bodies are counted off the main thread.
 * @throws InvalidArgumentError naming a wrong field
 */
export async function countResponsesTokens(body: object, counter: TokenCounterService): Promise<ResponseTokens> {
  const fields = checkObject('body', body, refuseArgument);
  checkString('model', fields.model, refuseArgument);
  const tokens = await promptTokensOf(localBody(fields, 'responses'), { counter, isLarge: isLarge({ body }) });
  return { object: 'response.input_tokens', input_tokens: Math.ceil(tokens) };
}
