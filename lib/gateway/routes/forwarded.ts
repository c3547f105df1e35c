import { InvalidArgumentError } from '../../common/errors.js';
import { ApiKeyError } from '../../common/http-errors.js';
import { RequestContext } from '../../http/request-context.js';
import type { LlmAnswer } from '../../calls/answer/llm-answer.js';
import type { ForwardedForm, ForwardedRequest } from '../../apis/wire/forwarded.js';
import type { LlmClient } from '../../calls/llm-client.service.js';
import { MultipartBody } from '../../providers/forwarded/multipart.js';
import type { CallOptions } from '../../calls/call-options.js';
import type { LlmBytes } from '../../calls/stream/llm-bytes.js';
import type { LlmStream } from '../../calls/stream/llm-stream.js';
import { formOf } from '../body/request-body.js';
import type { GatewayDesk } from '../gateway.desk.js';
import type { ForwardedEndpoint } from '../gateway.options.js';
import { modelRequestOf, type GatewayExchange, type GatewayRequest, type GatewayRoute } from './route.js';

type Answer = LlmAnswer | LlmStream | LlmBytes;
type Names = Pick<GatewayRoute, 'name' | 'path'> & { readonly endpoint: ForwardedEndpoint };
type Ask<Body> = (client: LlmClient, body: Body, options: CallOptions) => Promise<Answer>;

/** The routes whose requests pass to providers as they are, but for the model's name. */
export const FORWARDED_ROUTES: readonly GatewayRoute[] = [
  json({ name: 'images', endpoint: 'images', path: 'images/generations' }, (client, body, options) => client.images(body, options)),
  form({ name: 'imageEdits', endpoint: 'images', path: 'images/edits' }, (client, body, options) => client.imageEdits(body, options)),
  form({ name: 'imageVariations', endpoint: 'images', path: 'images/variations' }, (client, body, options) =>
    client.imageVariations(body, options),
  ),
  json({ name: 'speech', endpoint: 'audio', path: 'audio/speech' }, (client, body, options) => client.speech(body, options)),
  form({ name: 'transcriptions', endpoint: 'audio', path: 'audio/transcriptions' }, (client, body, options) =>
    client.transcriptions(body, options),
  ),
  form({ name: 'translations', endpoint: 'audio', path: 'audio/translations' }, (client, body, options) =>
    client.translations(body, options),
  ),
  json({ name: 'moderations', endpoint: 'moderations', path: 'moderations' }, (client, body, options) => client.moderations(body, options)),
  json({ name: 'rerank', endpoint: 'rerank', path: 'rerank' }, (client, body, options) => client.rerank(body, options)),
  account({ name: 'uploadFile', endpoint: 'files', path: 'files', method: 'POST', body: 'form' }),
  account({ name: 'listFiles', endpoint: 'files', path: 'files', method: 'GET', body: 'none' }),
  account({ name: 'retrieveFile', endpoint: 'files', path: 'files/:id', method: 'GET', body: 'none' }),
  account({ name: 'downloadFile', endpoint: 'files', path: 'files/:id/content', method: 'GET', body: 'none' }),
  account({ name: 'deleteFile', endpoint: 'files', path: 'files/:id', method: 'DELETE', body: 'none' }),
  account({ name: 'createBatch', endpoint: 'batches', path: 'batches', method: 'POST', body: 'json' }),
  account({ name: 'listBatches', endpoint: 'batches', path: 'batches', method: 'GET', body: 'none' }),
  account({ name: 'retrieveBatch', endpoint: 'batches', path: 'batches/:id', method: 'GET', body: 'none' }),
  account({ name: 'cancelBatch', endpoint: 'batches', path: 'batches/:id/cancel', method: 'POST', body: 'optional' }),
];

function json(names: Names, ask: Ask<ForwardedRequest>): GatewayRoute {
  return {
    ...names,
    method: 'POST',
    body: 'json',
    async handle({ client, options }: GatewayDesk, { request, reply, callOptions }: GatewayExchange): Promise<void> {
      const body = modelRequestOf(request);
      const model = body.model ?? options.models[names.endpoint];
      const answer = await ask(client, model === body.model ? body : { ...body, model }, callOptions);
      return answer.sendTo(reply, { costHeaders: options.costHeaders });
    },
  };
}

function form(names: Names, ask: Ask<ForwardedForm>): GatewayRoute {
  return {
    ...names,
    method: 'POST',
    body: 'form',
    async handle({ client, options }: GatewayDesk, { request, reply, callOptions }: GatewayExchange): Promise<void> {
      const answer = await ask(client, withModel(formIn(request), options.models[names.endpoint]), callOptions);
      return answer.sendTo(reply, { costHeaders: options.costHeaders });
    },
  };
}

type AccountRoute = Pick<GatewayRoute, 'name' | 'path' | 'method' | 'body'> & { readonly endpoint: 'files' | 'batches' };

/** Files and batches belong to an account: that of a model group, which the request names. */
function account({ endpoint, ...route }: AccountRoute): GatewayRoute {
  const tail = route.path.slice(endpoint.length);
  const isList = route.method === 'GET' && tail === '';
  return {
    ...route,
    endpoint,
    async handle({ client, options }: GatewayDesk, { request, reply, callOptions }: GatewayExchange): Promise<void> {
      if (isList) refuseTenants(request);
      const { id = '' } = request.params as { readonly id?: string };
      const { model, rest } = queryOf(request);
      const body = route.body === 'form' ? formIn(request) : route.body === 'json' ? modelRequestOf(request) : undefined;
      const asked = {
        model: modelOf(request, model ?? options.models[endpoint]),
        method: route.method,
        path: tail.replace(':id', encodeURIComponent(id)) + rest,
        body: body ?? (route.method === 'POST' ? {} : undefined),
      };
      const answer = await client[endpoint](asked, callOptions);
      return answer.sendTo(reply, { costHeaders: options.costHeaders });
    },
  };
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
