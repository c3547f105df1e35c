import { ModelNotAllowedError } from '../../common/http-errors.js';
import { releaseBody } from '../../http/body/body-object.js';
import { reportUsage } from '../../http/request-context.js';
import type { LlmAnswer } from '../../calls/answer/llm-answer.js';
import type { LlmClient } from '../../calls/llm-client.service.js';
import type { CallOptions } from '../../calls/call-options.js';
import type { ModelRequest } from '../../providers/model-request.js';
import type { LlmStream } from '../../calls/stream/llm-stream.js';
import type { GatewayDesk } from '../gateway.desk.js';
import { modelRequestOf, type GatewayExchange, type GatewayRoute } from './route.js';

type Ask = (client: LlmClient, body: ModelRequest, options: CallOptions) => Promise<LlmAnswer | LlmStream>;

/** The routes that send a JSON body to a model. */
export const MODEL_CALLS: readonly GatewayRoute[] = [
  call({ name: 'chat', endpoint: 'chat', path: 'chat/completions' }, (client, body, options) => client.chat(body, options)),
  call({ name: 'completions', endpoint: 'completions', path: 'completions' }, (client, body, options) => client.completions(body, options)),
  call({ name: 'embeddings', endpoint: 'embeddings', path: 'embeddings' }, (client, body, options) => client.embeddings(body, options)),
  call({ name: 'responses', endpoint: 'responses', path: 'responses' }, (client, body, options) => client.responses(body, options)),
  call({ name: 'messages', endpoint: 'messages', path: 'messages' }, (client, body, options) => client.messages(body, options)),
  count({ name: 'countResponseTokens', endpoint: 'responses', path: 'responses/input_tokens' }, (client, body, options) =>
    client.countResponseTokens(body, options),
  ),
  count({ name: 'countMessageTokens', endpoint: 'messages', path: 'messages/count_tokens' }, (client, body, options) =>
    client.countMessageTokens(body, options),
  ),
];

type CountOptions = NonNullable<Parameters<LlmClient['countMessageTokens']>[1]>;
type Count = (client: LlmClient, body: ModelRequest, options: CountOptions) => Promise<object>;

type RouteNames = Pick<GatewayRoute, 'name' | 'endpoint' | 'path'>;

function call(names: RouteNames, ask: Ask): GatewayRoute {
  return {
    ...names,
    method: 'POST',
    body: 'json',
    async handle({ client, options }: GatewayDesk, { request, reply, callOptions }: GatewayExchange): Promise<void> {
      const body = modelRequestOf(request);
      const { model } = body;
      const answer = await ask(client, body, callOptions);
      if (!options.keepBodies) releaseBody(request.body);
      // As in LiteLLM's proxy: Claude Code drops its thinking if another model has answered.
      return answer.sendTo(reply, { model, costHeaders: options.costHeaders });
    },
  };
}

/** Counts the prompt; by a provider where the operator wants that. */
function count(names: RouteNames, counted: Count): GatewayRoute {
  return {
    ...names,
    method: 'POST',
    body: 'json',
    async handle({ client, options }: GatewayDesk, { request, callOptions, json }: GatewayExchange): Promise<void> {
      const body = modelRequestOf(request);
      if (callOptions.mayCall?.(body.model) === false) throw new ModelNotAllowedError(String(body.model));
      const answer = await counted(client, body, { ...callOptions, exact: options.exactTokenCounts });
      // Counting costs nothing: releases the tokens and the money that the guard reserved.
      reportUsage(request, 0, 0);
      json(answer);
    },
  };
}
