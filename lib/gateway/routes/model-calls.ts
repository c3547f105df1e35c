import { InvalidArgumentError } from '../../common/errors.js';
import { ApiKeyError, ModelNotAllowedError } from '../../common/http-errors.js';
import { releaseBody } from '../../http/body/body-object.js';
import { reportUsage, RequestContext } from '../../http/request-context.js';
import type { LlmAnswer } from '../../calls/answer/llm-answer.js';
import type { ForwardedForm, ForwardedRequest } from '../../apis/wire/forwarded.js';
import type { CallOptions } from '../../calls/call-options.js';
import type { LlmBytes } from '../../calls/stream/llm-bytes.js';
import type { LlmStream } from '../../calls/stream/llm-stream.js';
import { MultipartBody } from '../../providers/forwarded/multipart.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { formOf } from '../body/request-body.js';
import type { ForwardedEndpoint } from '../gateway.options.js';
import type { GatewayContext } from '../gateway.context.js';
import type { GatewayExchange, GatewayRequest, GatewayRoute } from './route.js';

/** How requests are answered, by the name of the client's method and of the route's handler. */
type Ask<Body> = (body: Body, options: CallOptions) => Promise<LlmAnswer | LlmStream | LlmBytes>;
type Calls = Readonly<Record<'chat' | 'completions' | 'embeddings' | 'responses' | 'messages', Ask<ModelRequest>>>;
type JsonForwards = Readonly<Record<'images' | 'speech' | 'moderations' | 'rerank', Ask<ForwardedRequest>>>;
type FormForwards = Readonly<Record<'imageEdits' | 'imageVariations' | 'transcriptions' | 'translations', Ask<ForwardedForm>>>;

const JSON_POST = { method: 'POST', body: 'json' } as const;
const FORM_POST = { method: 'POST', body: 'form' } as const;

/** The routes whose requests are sent to a model. */
export const MODEL_CALLS: readonly GatewayRoute[] = [
  call('chat', 'chat/completions'),
  call('completions', 'completions'),
  call('embeddings', 'embeddings'),
  call('responses', 'responses'),
  call('messages', 'messages'),
  count('countResponseTokens', 'responses', 'responses/input_tokens'),
  count('countMessageTokens', 'messages', 'messages/count_tokens'),
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
      // Counting costs nothing: releases the tokens and the money that the guard reserved.
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
      const answer = await forwards[name](withModel(formIn(request), options.models[endpoint]), callOptions);
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
        model: modelOf(request, model ?? options.models[endpoint]),
        method,
        path: tail.replace(':id', encodeURIComponent(id)) + rest,
        body,
      };
      const answer = await client[endpoint](asked, callOptions);
      return answer.sendTo(reply, { costHeaders: options.costHeaders });
    },
  };
}

/** @throws InvalidArgumentError for anything but an object. */
function modelRequestOf({ body }: GatewayRequest): ModelRequest {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as ModelRequest;
  throw new InvalidArgumentError('body', body, 'must be a JSON object');
}

/** A list has the files of all tenants; an id is known to those who have made it. */
function refuseTenants(request: GatewayRequest): void {
  const principal = RequestContext.principalOf(request);
  if (principal !== undefined && !principal.isAdmin) throw new ApiKeyError('not_admin');
}

/** The operator's model for a form that names none. */
function withModel(form: MultipartBody, model: string | undefined): MultipartBody {
  if (model === undefined || form.text('model') !== undefined) return form;
  return MultipartBody.parse(
    form.withModel(model, () => false),
    form.contentType,
  );
}

function formIn({ body, headers }: GatewayRequest): MultipartBody {
  const read = formOf(body);
  if (read === undefined) throw new InvalidArgumentError('body', headers['content-type'], 'must be a multipart/form-data form');
  return read;
}

/** `model` is for the gateway; the rest passes. */
function queryOf({ url }: GatewayRequest): { readonly model: string | undefined; readonly rest: string } {
  const at = url.indexOf('?');
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at));
  const model = query.get('model') ?? undefined;
  query.delete('model');
  return { model, rest: query.size === 0 ? '' : `?${query.toString()}` };
}

/** As LiteLLM: the query, the header `x-litellm-model`, the body; else the gateway's option. */
function modelOf({ headers, body }: GatewayRequest, given: string | undefined): string {
  const { model } = (body ?? {}) as { readonly model?: unknown };
  const header = headers['x-litellm-model'];
  const named = typeof header === 'string' ? header : typeof model === 'string' ? model : given;
  if (named !== undefined && named !== '') return named;
  const rule = 'must name the model group whose account has the files, as ?model= or in the header x-litellm-model';
  throw new InvalidArgumentError('model', undefined, rule);
}
