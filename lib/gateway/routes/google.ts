import { ModelNotAllowedError, NoDeploymentError } from '../../common/http-errors.js';
import { isObject, type Fields } from '../../common/objects.js';
import { embeddingRequest, embeddingsAnswer, type EmbeddingMethod } from '../../apis/generate-content/embeddings.js';
import { releaseBody } from '../../http/body/body-object.js';
import { reportUsage } from '../../http/request-context.js';
import { gatewayError } from '../errors.js';
import type { GatewayContext } from '../gateway.context.js';
import { callable } from './models.js';
import { MODEL_PATHS, pathModel, useModel } from './path-model.js';
import { modelRequestOf } from './request-model.js';
import type { GatewayExchange, GatewayRequest, GatewayRoute, OwnRequest } from './route.js';
import type { AnswerForm } from '../../calls/stream/answer-forms.js';
import { StreamEvents } from '../../providers/events/event-reader.js';

/** Google's methods, as they follow the model's name in a path. */
type Method = 'generateContent' | 'streamGenerateContent' | 'countTokens' | EmbeddingMethod;

const METHODS: Readonly<Record<Method, (gateway: GatewayContext, exchange: GatewayExchange, method: Method) => Promise<void>>> = {
  generateContent: generate,
  streamGenerateContent: generate,
  countTokens: count,
  embedContent: embed,
  batchEmbedContents: embed,
};
const [CALL, ...MORE_CALLS] = ['v1beta/models', 'v1/models', 'models'].flatMap((models) =>
  MODEL_PATHS.map((model) => `${models}/${model}`),
);
const [ONE_MODEL, ...MORE_MODELS] = MODEL_PATHS.map((model) => `v1beta/models/${model}`);
const GOOGLE = { api: 'google', atRoot: 'only', isOfSdk: true } as const;

/** Google's API of Gemini, for all models. */
export const GOOGLE_ROUTES: readonly GatewayRoute[] = [
  {
    ...GOOGLE,
    name: 'generateContent',
    endpoint: 'generate_content',
    method: 'POST',
    path: CALL,
    morePaths: MORE_CALLS,
    body: 'json',
    isHidden: true,
    allowedAs: (request) => [`v1beta/models/:model:${callOf(request)?.method ?? 'unknown'}`],
    prepare,
    handle(gateway: GatewayContext, exchange: GatewayExchange): Promise<void> {
      // `prepare` has rejected all others.
      const { method } = callOf(exchange.request) as GoogleCall;
      return METHODS[method](gateway, exchange, method);
    },
  },
  { ...GOOGLE, name: 'googleModels', endpoint: 'models', method: 'GET', path: 'v1beta/models', body: 'none', isHidden: true, handle: list },
  {
    ...GOOGLE,
    name: 'googleModel',
    endpoint: 'models',
    method: 'GET',
    path: ONE_MODEL,
    morePaths: MORE_MODELS,
    body: 'none',
    isHidden: true,
    handle: retrieve,
  },
];

interface GoogleCall {
  readonly model: string;
  readonly method: Method;
}

/** The model and the method of a path. Names of models have colons, too: the last one counts. */
function callOf(request: Pick<GatewayRequest, 'params'>): GoogleCall | undefined {
  const asked = pathModel(request);
  const at = asked.lastIndexOf(':');
  const method = asked.slice(at + 1);
  return at < 0 || !Object.hasOwn(METHODS, method) ? undefined : { model: asked.slice(0, at), method: method as Method };
}

/** The body as limits and the router read it: with the model, and whether to stream. */
function prepare(request: OwnRequest): void | Promise<void> {
  const asked = callOf(request);
  if (asked === undefined) throw gatewayError(404, 'unknown_url', `Unknown method: it must be one of ${Object.keys(METHODS).join(', ')}.`);
  const { model, method } = asked;
  const { body } = request;
  if (method === 'embedContent' || method === 'batchEmbedContents') request.body = embeddingRequest(body, method);
  else if (isObject(body)) setContents(request, body, method);
  return useModel(request, model);
}

function setContents(request: OwnRequest, body: Fields, method: Method): void {
  const { generateContentRequest: whole } = body;
  // `:countTokens` also takes a whole request.
  if (method === 'countTokens' && isObject(whole)) request.body = { ...whole };
  const own = request.body as { stream?: boolean };
  if (method === 'streamGenerateContent') own.stream = true;
  else delete own.stream;
}

async function generate({ client, options }: GatewayContext, { request, reply, callOptions }: GatewayExchange): Promise<void> {
  const answer = await client.generateContent(modelRequestOf(request), callOptions);
  if (!options.keepBodies) releaseBody(request.body);
  return answer.sendTo(reply, { costHeaders: options.costHeaders }, contentForm(request.url));
}

async function count({ client, options }: GatewayContext, { request, callOptions, json }: GatewayExchange): Promise<void> {
  const body = modelRequestOf(request);
  if (callOptions.mayCall?.(body.model) === false) throw new ModelNotAllowedError(body.model);
  const answer = await client.countContentTokens(body, { ...callOptions, exact: options.exactTokenCounts });
  // Counting is free: releases the tokens and money that the guard has reserved.
  reportUsage(request, 0, 0);
  json(answer);
}

async function embed({ client, options }: GatewayContext, { request, reply, callOptions }: GatewayExchange, method: Method): Promise<void> {
  const answer = await client.embeddings(modelRequestOf(request), callOptions);
  const whole = (bytes: Buffer): Buffer => embeddingsAnswer(bytes, method as EmbeddingMethod);
  return answer.sendTo(reply, { costHeaders: options.costHeaders }, { whole });
}

function list({ router, tokenCounter }: GatewayContext, { request, callOptions, json }: GatewayExchange): void {
  json({ models: callable(router.models(), request, callOptions).map((id) => googleModel(id, tokenCounter)) });
}

function retrieve({ router, tokenCounter }: GatewayContext, { request, callOptions, json }: GatewayExchange): void {
  const id = pathModel(request);
  if (!callable(router.models(), request, callOptions).includes(id)) throw new NoDeploymentError(id, 'unknown_model');
  json(googleModel(id, tokenCounter));
}

function googleModel(id: string, tokenCounter: GatewayContext['tokenCounter']): object {
  const { contextWindow, maxOutputTokens } = tokenCounter.limitsOf(id);
  return {
    name: `models/${id}`,
    displayName: id,
    ...(contextWindow !== null && { inputTokenLimit: contextWindow }),
    ...(maxOutputTokens !== null && { outputTokenLimit: maxOutputTokens }),
    supportedGenerationMethods: Object.keys(METHODS),
  };
}

const NONE = Buffer.alloc(0);
const EVENTS = /[?&]alt=sse(?:&|$)/;
const JSON_STREAM = 'application/json; charset=utf-8';

/** How Google's clients get a stream: as events with `alt=sse`, else as a JSON array. */
export function contentForm(url: string): AnswerForm | undefined {
  return EVENTS.test(url) ? undefined : AS_ARRAY;
}

const AS_ARRAY: AnswerForm = {
  contentType: JSON_STREAM,
  stream(client) {
    let hasBegun = false;
    const items = (events: Buffer): Buffer => {
      const data = new StreamEvents(events).data.filter((each) => each !== '[DONE]');
      if (data.length === 0) return NONE;
      const written = `${hasBegun ? ',\r\n' : '['}${data.join(',\r\n')}`;
      hasBegun = true;
      return Buffer.from(written);
    };
    return {
      of: (events) => items(client.of(events)),
      last: (error) => {
        const last = client.last(error);
        if (last === undefined) return undefined;
        const written = items(last);
        return Buffer.concat([written, Buffer.from(hasBegun ? ']' : '[]')]);
      },
    };
  },
};
