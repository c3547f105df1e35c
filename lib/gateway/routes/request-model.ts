import { InvalidArgumentError } from '../../common/errors.js';
import { ApiKeyError } from '../../common/http-errors.js';
import { aliasedModel } from '../../http/model-aliases.js';
import { RequestContext } from '../../http/request-context.js';
import { MultipartBody } from '../../providers/forwarded/multipart.js';
import type { ModelRequest } from '../../providers/model-request.js';
import { formOf } from '../body/request-body.js';
import type { GatewayRequest } from './route.js';

/** @throws InvalidArgumentError for anything but an object. */
export function modelRequestOf({ body }: GatewayRequest): ModelRequest {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as ModelRequest;
  throw new InvalidArgumentError('body', body, 'must be a JSON object');
}

/** A list has the files of all tenants; an id is known to those who have made it. */
export function refuseTenants(request: GatewayRequest): void {
  const principal = RequestContext.principalOf(request);
  if (principal !== undefined && !principal.isAdmin) throw new ApiKeyError('not_admin');
}

/**
 * The form of a request, with the model that the sender's alias stands for, or the operator's model
 * if the form names none.
 */
export function withModel(request: GatewayRequest, fallback: string | undefined): MultipartBody {
  const form = formIn(request);
  // The guard replaces aliases in the fields.
  const { model = fallback } = request.body as { readonly model?: string };
  if (model === undefined || form.text('model') === model) return form;
  return MultipartBody.parse(
    form.withModel(model, () => false),
    form.contentType,
  );
}

export function formIn({ body, headers }: GatewayRequest): MultipartBody {
  const read = formOf(body);
  if (read === undefined) throw new InvalidArgumentError('body', headers['content-type'], 'must be a multipart/form-data form');
  return read;
}

/** `model` is for the gateway; the rest passes. */
export function queryOf({ url }: GatewayRequest): { readonly model: string | undefined; readonly rest: string } {
  const at = url.indexOf('?');
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at));
  const model = query.get('model') ?? undefined;
  query.delete('model');
  // Sent by Azure's clients; deployments have their own.
  query.delete('api-version');
  return { model, rest: query.size === 0 ? '' : `?${query.toString()}` };
}

/** As LiteLLM: the header `x-litellm-model`, the body, the query; else the gateway's option. */
export function modelOf(request: GatewayRequest, inQuery: string | undefined, fallback: string | undefined): string {
  const { headers, body } = request;
  const { model } = (body ?? {}) as { readonly model?: unknown };
  const header = headers['x-litellm-model'];
  const aliased = (name: string): string => aliasedModel(RequestContext.principalOf(request) ?? {}, name);
  // The guard has replaced an alias in the body.
  const own = typeof model === 'string' ? model : inQuery === undefined ? fallback : aliased(inQuery);
  const named = typeof header === 'string' ? aliased(header) : own;
  if (named !== undefined && named !== '') return named;
  const rule = 'must name the model group whose account has the files, as ?model= or in the header x-litellm-model';
  throw new InvalidArgumentError('model', undefined, rule);
}
