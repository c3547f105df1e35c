import { ModelNotAllowedError } from '../../common/http-errors.js';
import { releaseBody } from '../../http/body/body-object.js';
import { reportUsage } from '../../http/request-context.js';
import type { LlmAnswer } from '../../calls/answer/llm-answer.js';
import type { ForwardedForm, ForwardedRequest } from '../../apis/wire/forwarded.js';
import type { CallOptions } from '../../calls/call-options.js';
import type { LlmBytes } from '../../calls/stream/llm-bytes.js';
import type { LlmStream } from '../../calls/stream/llm-stream.js';
import type { ModelRequest } from '../../providers/model-request.js';
import type { ForwardedEndpoint } from '../gateway.options.js';
import type { GatewayContext } from '../gateway.context.js';
import { MESSAGE_BATCHES } from './message-batches.js';
import { formIn, modelOf, modelRequestOf, queryOf, refuseTenants, withModel } from './request-model.js';
import { STORED_RESPONSES } from './responses.js';
import type { GatewayExchange, GatewayRoute } from './route.js';

/** How requests are answered, by the name of the client's method and of the route's handler. */
type Ask<Body> = (body: Body, options: CallOptions) => Promise<LlmAnswer | LlmStream | LlmBytes>;
type Calls = Readonly<Record<'chat' | 'completions' | 'embeddings' | 'messages', Ask<ModelRequest>>>;
type JsonForwards = Readonly<Record<'images' | 'speech' | 'moderations' | 'rerank', Ask<ForwardedRequest>>>;
type FormForwards = Readonly<Record<'imageEdits' | 'imageVariations' | 'transcriptions' | 'translations', Ask<ForwardedForm>>>;

const JSON_POST = { method: 'POST', body: 'json' } as const;
const FORM_POST = { method: 'POST', body: 'form' } as const;

/** The routes whose requests are sent to a model. */
export const MODEL_CALLS: readonly GatewayRoute[] = [
  call('chat', 'chat/completions'),
  call('completions', 'completions'),
  call('embeddings', 'embeddings'),
  ...STORED_RESPONSES,
  call('messages', 'messages'),
  count('countResponseTokens', 'responses', 'responses/input_tokens'),
  count('countMessageTokens', 'messages', 'messages/count_tokens'),
  ...MESSAGE_BATCHES,
  json('images', 'images', 'images/generations'),
  form('imageEdits', 'images', 'images/edits'),
  form('imageVariations', 'images', 'images/variations'),
  json('speech', 'audio', 'audio/speech'),
  form('transcriptions', 'audio', 'audio/transcriptions'),
  form('translations', 'audio', 'audio/translations'),
  json('moderations', 'moderations', 'moderations'),
  json('rerank', 'rerank', 'rerank'),
  account('uploadFile', 'files', 'POST', '', 'form'),
  account('listFiles', 'files', 'GET', ''),
  account('retrieveFile', 'files', 'GET', '/:id'),
  account('downloadFile', 'files', 'GET', '/:id/content'),
  account('deleteFile', 'files', 'DELETE', '/:id'),
  account('createBatch', 'batches', 'POST', '', 'json'),
  account('listBatches', 'batches', 'GET', ''),
  account('retrieveBatch', 'batches', 'GET', '/:id'),
  account('cancelBatch', 'batches', 'POST', '/:id/cancel', 'optional'),
];

function call(name: keyof Calls, path: string): GatewayRoute {
  return {
    ...JSON_POST,
    name,
    endpoint: name,
    path,
    async handle({ client, options }: GatewayContext, { request, reply, callOptions }: GatewayExchange): Promise<void> {
      const body = modelRequestOf(request);
      const { model } = body;
      const calls: Calls = client;
      const answer = await calls[name](body, callOptions);
      if (!options.keepBodies) releaseBody(request.body);
      // As in LiteLLM's proxy: Claude Code drops its thinking if another model has answered.
      return answer.sendTo(reply, { model, costHeaders: options.costHeaders });
    },
  };
}

/** Counts the prompt; by a provider where the operator wants that. */
function count(name: 'countResponseTokens' | 'countMessageTokens', endpoint: 'responses' | 'messages', path: string): GatewayRoute {
  return {
    ...JSON_POST,
    name,
    endpoint,
    path,
    async handle({ client, options }: GatewayContext, { request, callOptions, json }: GatewayExchange): Promise<void> {
      const body = modelRequestOf(request);
      if (callOptions.mayCall?.(body.model) === false) throw new ModelNotAllowedError(String(body.model));
      const answer = await client[name](body, { ...callOptions, exact: options.exactTokenCounts });
      // Counting is free: releases the tokens and money that the guard has reserved.
      reportUsage(request, 0, 0);
      json(answer);
    },
  };
}

/** Passes JSON to a provider as it is, but for the model's name. */
function json(name: keyof JsonForwards, endpoint: ForwardedEndpoint, path: string): GatewayRoute {
  return {
    ...JSON_POST,
    name,
    endpoint,
    path,
    async handle({ client, options }: GatewayContext, { request, reply, callOptions }: GatewayExchange): Promise<void> {
      const body = modelRequestOf(request);
      const model = body.model ?? options.models[endpoint];
      const forwards: JsonForwards = client;
      const answer = await forwards[name](model === body.model ? body : { ...body, model }, callOptions);
      return answer.sendTo(reply, { costHeaders: options.costHeaders });
    },
  };
}

/** Passes a form to a provider as it is, but for the model's name. */
function form(name: keyof FormForwards, endpoint: ForwardedEndpoint, path: string): GatewayRoute {
  return {
    ...FORM_POST,
    name,
    endpoint,
    path,
    async handle({ client, options }: GatewayContext, { request, reply, callOptions }: GatewayExchange): Promise<void> {
      const forwards: FormForwards = client;
      const answer = await forwards[name](withModel(request, options.models[endpoint]), callOptions);
      return answer.sendTo(reply, { costHeaders: options.costHeaders });
    },
  };
}

/** Files and batches belong to an account: that of a model group, which the request names. */
function account(
  name: string,
  endpoint: 'files' | 'batches',
  method: GatewayRoute['method'],
  tail: string,
  kind: GatewayRoute['body'] = 'none',
): GatewayRoute {
  const isList = method === 'GET' && tail === '';
  return {
    name,
    endpoint,
    method,
    path: endpoint + tail,
    body: kind,
    async handle({ client, options }: GatewayContext, { request, reply, callOptions }: GatewayExchange): Promise<void> {
      if (isList) refuseTenants(request);
      const { id = '' } = request.params as { readonly id?: string };
      const { model, rest } = queryOf(request);
      const body = kind === 'form' ? formIn(request) : kind === 'json' ? modelRequestOf(request) : undefined;
      const asked = {
        model: modelOf(request, model, options.models[endpoint]),
        method,
        path: tail.replace(':id', encodeURIComponent(id)) + rest,
        body,
      };
      const answer = await client[endpoint](asked, callOptions);
      return answer.sendTo(reply, { costHeaders: options.costHeaders });
    },
  };
}
