import type { AnswerTarget } from '../../calls/answer/llm-answer.js';
import type { CallOptions } from '../../calls/call-options.js';
import type { IncomingHttpHeaders } from 'node:http';
import type { ClientApi } from '../errors.js';
import type { GatewayContext } from '../gateway.context.js';
import type { GatewayEndpoint } from '../gateway.options.js';

/** Express's request, or Fastify's, as far as routes read it. */
export interface GatewayRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body?: unknown;
  readonly query?: unknown;
  readonly params?: unknown;
}

/** A request whose body is replaced. */
export type OwnRequest = Omit<GatewayRequest, 'body'> & { body?: unknown };

export type GatewayReply = AnswerTarget & NonNullable<CallOptions['response']>;

/** One request at one route. */
export interface GatewayExchange {
  readonly request: GatewayRequest;
  readonly reply: GatewayReply;
  /** The app's options for the calls of this request, and the request itself. */
  readonly callOptions: CallOptions;
  /** Answers with JSON. */
  readonly json: (body: unknown, status?: number) => void;
}

/** Kind of the body: `form` (its text fields are read) or `optional` JSON. */
export type GatewayBody = 'none' | 'json' | 'optional' | 'form';

/** A route of the gateway. */
export interface GatewayRoute {
  /** Name of its handler. */
  readonly name: string;
  readonly endpoint: GatewayEndpoint;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below the gateway's path. */
  readonly path: string;
  /** More paths of the same handler. */
  readonly morePaths?: readonly string[];
  /** Whether the route is also, or only, at the root, as in LiteLLM. */
  readonly atRoot?: 'also' | 'only';
  readonly body: GatewayBody;
  /** Whether OpenAPI documents leave it out: another route has the same answer. */
  readonly isHidden?: boolean;
  /** The API whose clients call it. Default: Anthropic's for `messages`, else OpenAI's. */
  readonly api?: ClientApi;
  /** Whether it is mounted only with `sdkPaths`. */
  readonly isOfSdk?: boolean;
  /** The paths by which a key's `allowedRoutes` may name it. Default: `path`. */
  allowedAs?(request: GatewayRequest): readonly string[];
  /** Copies values of the path into the body, before access and limits read the body. */
  prepare?(request: OwnRequest): void | Promise<void>;
  handle(gateway: GatewayContext, exchange: GatewayExchange): Promise<void> | void;
}

/** The API whose errors a route answers with. */
export function apiOf({ api, endpoint }: Pick<GatewayRoute, 'api' | 'endpoint'>): ClientApi {
  return api ?? (endpoint === 'messages' ? 'anthropic' : 'openai');
}
