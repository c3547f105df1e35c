import { InvalidArgumentError } from '../../common/errors.js';
import { isObject } from '../../common/objects.js';
import { formOf, readForm } from '../body/request-body.js';
import type { GatewayRequest, OwnRequest } from './route.js';

/** Names with slashes that are not encoded have more parts. No pattern fits Express and Fastify. */
const MORE_PARTS = 3;

/** The paths of a model's name of one part and more: `:model`, `:model/:part0`. */
export const MODEL_PATHS: readonly string[] = Array.from(
  { length: 1 + MORE_PARTS },
  (_, more) => `:model${Array.from({ length: more }, (__, at) => `/:part${at}`).join('')}`,
);

/** The model that a path names. Routers have decoded it. */
export function pathModel({ params }: Pick<GatewayRequest, 'params'>): string {
  const { model = '', ...others } = params as Readonly<Record<string, string>>;
  const parts = Array.from({ length: MORE_PARTS }, (_, at) => others[`part${at}`]).filter((part) => part !== undefined);
  return [model, ...parts].join('/');
}

/**
 * Puts the model of the path into the body, where access, limits and the router read it. Another
 * one in the body is ignored, as on Azure.
 */
export function usePathModel(request: OwnRequest): void | Promise<void> {
  const { params } = request;
  if (!isObject(params) || params.model === undefined) return undefined;
  return useModel(request, pathModel(request));
}

/** @throws InvalidArgumentError for a body that is not an object, and for an empty name */
export function useModel(request: OwnRequest, model: string): void | Promise<void> {
  const { body } = request;
  if (model === '') throw new InvalidArgumentError('model', model, 'must be a non-empty string');
  const form = formOf(body);
  if (form !== undefined) {
    const renamed = form.withModel(model, () => false);
    return readForm(renamed, form.contentType).then((fields) => {
      request.body = fields;
    });
  }
  if (!isObject(body)) throw new InvalidArgumentError('body', body, 'must be a JSON object');
  (body as { model: unknown }).model = model;
  return undefined;
}
