import { InvalidArgumentError } from '../../common/errors.js';
import { ModelNotAllowedError } from '../../common/http-errors.js';
import { fieldsOf, type Fields } from '../../common/objects.js';
import { reportUsage } from '../../http/request-context.js';
import { countedOperationOf, localBody } from '../../apis/counted-request.js';
import type { GatewayContext } from '../gateway.context.js';
import type { GatewayExchange, GatewayRoute } from './route.js';

/** LiteLLM's route that counts the tokens of a text, of messages or of Gemini's contents. */
export const TOKEN_COUNTER_ROUTES: readonly GatewayRoute[] = [
  {
    name: 'tokenCounter',
    endpoint: 'token_counter',
    method: 'POST',
    path: 'utils/token_counter',
    atRoot: 'only',
    body: 'json',
    handle: countTokens,
  },
];

/** Encodings of OpenAI's models. */
const OF_OPENAI = /^(?:o200k|cl100k|p50k|r50k|gpt2)/;

/** Counts here; with `?call_endpoint=true` the provider counts. */
async function countTokens(gateway: GatewayContext, { request, callOptions, json }: GatewayExchange): Promise<void> {
  const body = fieldsOf(request.body);
  const { model } = body;
  if (typeof model !== 'string' || model === '') throw new InvalidArgumentError('model', model, 'must be a non-empty string');
  if (callOptions.mayCall?.(model) === false) throw new ModelNotAllowedError(model);
  const { call_endpoint: asksProvider } = fieldsOf(request.query);
  const counted = countedBody(body);
  // Counting is free: releases the tokens and money that the guard has reserved.
  reportUsage(request, 0, 0);
  const called = gateway.router.getAvailableDeployment(model)?.model ?? model;
  const shown = { request_model: model, model_used: called.slice(called.indexOf('/') + 1) };
  if (String(asksProvider).toLowerCase() === 'true' && counted.messages !== undefined) {
    const { promptTokens, source } = await gateway.client.countTokensExact(counted, callOptions);
    if (source !== 'local') return json({ total_tokens: promptTokens, ...shown, tokenizer_type: 'provider' });
  }
  const local = counted.messages === undefined ? counted : localBody(counted, countedOperationOf(counted));
  const { promptTokens, encoding } = await gateway.tokenCounter.countRequestAsync(local);
  json({ total_tokens: promptTokens, ...shown, tokenizer_type: OF_OPENAI.test(encoding) ? 'openai_tokenizer' : 'huggingface_tokenizer' });
}

/**
 * The fields to count: those of chat, or the text of a prompt.
 * @throws InvalidArgumentError without a prompt
 */
function countedBody({ model, prompt, messages, contents, tools, system }: Fields): Fields {
  const others = { model, ...(tools !== undefined && { tools }), ...(system !== undefined && { system }) };
  const isChat = Array.isArray(messages) || Array.isArray(contents);
  if (isChat && typeof prompt === 'string' && prompt !== '')
    throw new InvalidArgumentError('prompt', prompt, 'must not be combined with messages or contents');
  if (Array.isArray(messages)) return { ...others, messages };
  if (Array.isArray(contents)) return { ...others, messages: contents.map(messageOf) };
  if (typeof prompt === 'string') return { ...others, prompt };
  throw new InvalidArgumentError('body', undefined, 'must have a prompt (a string), messages (a list) or contents (a list)');
}

/** A content of Gemini's API as a message. */
function messageOf(content: unknown): Fields {
  const { role, parts } = fieldsOf(content);
  const texts = (Array.isArray(parts) ? parts : []).map((part) => fieldsOf(part).text).filter((text) => typeof text === 'string');
  return { role: role === 'model' ? 'assistant' : 'user', content: texts.join('\n') };
}
