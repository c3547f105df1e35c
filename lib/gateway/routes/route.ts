import type { AnswerTarget } from '../../calls/answer/llm-answer.js';
import type { CallOptions } from '../../calls/call-options.js';
import type { IncomingHttpHeaders } from 'node:http';
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
  handle(gateway: GatewayContext, exchange: GatewayExchange): Promise<void> | void;
}
