import { checkKnownKeys, checkObject, refuseArgument } from '../../common/options.js';
import { setHeaders } from '../../http/response-headers.js';
import { retryAfterHeaders } from '../../http/retry-after-headers.js';
import { setFailedCall } from '../../calls/answer/answer-headers.js';
import { beginCall, type BegunCall, type InProcessCallSettings, type ModelGroups } from '../../calls/in-process-calls.js';
import { readForm } from '../body/request-body.js';
import { answerTo, errorBody, gatewayError, type ClientApi } from '../errors.js';
import type { GatewayContext } from '../gateway.context.js';
import { apiOf, type GatewayExchange, type GatewayReply, type GatewayRequest } from '../routes/route.js';
import { TenantIds } from '../tenant-ids.js';
import { FetchReply } from './fetch-reply.js';
import { findRoute, type FoundRoute } from './routes.js';

/** A `fetch` for the SDKs of OpenAI and Anthropic. */
export type GatewayFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Headers that routes and protocols read: no key of the client is among them. */
const READ_HEADERS = ['content-type', 'anthropic-version', 'anthropic-beta', 'x-litellm-model', 'x-litellm-priority'] as const;

const SETTINGS = ['callOptions', 'rateLimit'] as const satisfies readonly (keyof InProcessCallSettings)[];

/** Facts about an error that are safe to send to the client. */
interface ErrorFacts {
  readonly retryAfterMs?: number;
  readonly providerRequestId?: string;
}

/**
 * Serves the gateway's API to SDKs in this process, without a server. The end of a URL's path
 * selects the route, regardless of the host; other paths return 404. Nothing is ever sent to the
 * URL.
 * @throws InvalidArgumentError for an unknown setting
 */
export function gatewayFetch(given: Omit<GatewayContext, 'tenantIds'> & ModelGroups, settings: InProcessCallSettings): GatewayFetch {
  // In-process callers get the providers' own ids.
  const gateway = { ...given, tenantIds: new TenantIds(undefined) };
  checkKnownKeys('settings', checkObject('settings', settings, refuseArgument), SETTINGS, refuseArgument);
  return async (input, init = {}) => {
    const isRequest = typeof input === 'object' && 'method' in input;
    const signal = init.signal ?? (isRequest ? input.signal : undefined);
    signal?.throwIfAborted();
    const reply = new FetchReply(signal);
    const { pathname, search } = new URL(isRequest ? input.url : input);
    const method = (init.method ?? (isRequest ? input.method : 'GET')).toUpperCase();
    const headers = readHeaders(init.headers ?? (isRequest ? input.headers : undefined));
    const found = findRoute(method, pathname);
    const api = headers['anthropic-version'] !== undefined ? 'anthropic' : found === undefined ? 'openai' : apiOf(found.route);
    let call: BegunCall | undefined;
    try {
      if (found === undefined) throw gatewayError(404, 'unknown_url', `Unknown route: ${method} ${pathname}.`);
      const body = await bodyOf(found, isRequest && init.body === undefined ? input : init, headers);
      const request: GatewayRequest = { method, url: pathname + search, headers, body, params: found.params };
      call = await beginCall(gateway, settings, request, signal);
      call.limits?.setHeaders(reply);
      void handle({ gateway, found, call, request, reply, api });
    } catch (error) {
      refuse(error, reply, api);
    }
    return reply.answered;
  };
}

/** Reading all headers of a `Headers` sorts them. */
function readHeaders(given: RequestInit['headers']): Record<string, string> {
  const all = given instanceof Headers ? given : new Headers(given);
  const headers: Record<string, string> = {};
  for (const name of READ_HEADERS) {
    const value = all.get(name);
    if (value !== null) headers[name] = value;
  }
  return headers;
}

/** A request on its way to a route. */
interface Handling {
  readonly gateway: GatewayContext;
  readonly found: FoundRoute;
  readonly call: BegunCall;
  readonly request: GatewayRequest;
  readonly reply: FetchReply;
  readonly api: ClientApi;
}

/** Ends with the answer, a stream's last event included. */
async function handle({ gateway, found, call, request, reply, api }: Handling): Promise<void> {
  const exchange: GatewayExchange = {
    request,
    reply: reply as unknown as GatewayReply,
    callOptions: call.options,
    json: (body, status = 200) => sendJson(reply, status, body),
  };
  try {
    await found.route.handle(gateway, exchange);
    call.limits?.end(reply.destroyed);
  } catch (error) {
    call.limits?.end(true);
    refuse(error, reply, api);
  }
}

/** A text is JSON, as the SDKs write it. Anything else is read as `fetch` would send it. */
async function bodyOf({ route }: FoundRoute, from: Request | RequestInit, headers: Record<string, string>): Promise<unknown> {
  if (route.body === 'none' || from.body === undefined || from.body === null) return undefined;
  if (route.body !== 'form' && typeof from.body === 'string') return parsed(from.body);
  const read = from instanceof Request ? from : new Response(from.body);
  const bytes = Buffer.from(await read.arrayBuffer());
  if (route.body !== 'form') return bytes.length === 0 ? undefined : parsed(bytes.toString('utf8'));
  return readForm(bytes, headers['content-type'] ?? read.headers.get('content-type') ?? '');
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw gatewayError(400, null, `The body is not JSON: ${(error as Error).message}`);
  }
}

/** Answers as the gateway does; SDKs do not retry, because retries and fallbacks were made here. */
function refuse(error: unknown, reply: FetchReply, api: ClientApi): void {
  if (reply.headersSent) return reply.destroy();
  const answer = answerTo(error);
  // A programming error is not an API response.
  if (answer.isUnexpected) return reply.fail(error);
  const { retryAfterMs, providerRequestId } = error as ErrorFacts;
  if (providerRequestId !== undefined) reply.setHeader('llm_provider-x-request-id', providerRequestId);
  setFailedCall(error, (name, value) => reply.setHeader(name, value));
  if (retryAfterMs !== undefined) setHeaders(reply, retryAfterHeaders(retryAfterMs));
  reply.setHeader('x-should-retry', 'false');
  sendJson(reply, answer.status, errorBody(answer, api, providerRequestId));
}

function sendJson(reply: FetchReply, status: number, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body));
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'content-length': bytes.length,
  };
  reply.writeHead(status, headers);
  reply.end(bytes);
}
