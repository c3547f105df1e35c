import { isObject, objectIn, type Fields } from '../../common/objects.js';
import { clientText, endUserOf, firstTextOf } from '../../http/end-user.js';
import type { CallRequest } from '../call-request.js';

/**
 * Facts about the client that a request states, in LiteLLM's fields. None of them is authenticated.
 */
export interface ClientFacts {
  readonly endUser: string | undefined;
  readonly sessionId: string | undefined;
  readonly traceId: string | undefined;
  readonly requestId: string | undefined;
  readonly ip: string | undefined;
  readonly userAgent: string | undefined;
  readonly tags: readonly string[];
}

/** A request of Express, Fastify or Node, or of an in-process call. */
interface Incoming {
  readonly headers?: unknown;
  readonly ip?: unknown;
  readonly socket?: { readonly remoteAddress?: unknown } | null;
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const MOST_TAGS = 20;
const SESSION_HEADERS = ['x-litellm-trace-id', 'x-litellm-session-id'];
/** Sent by Codex and others. */
const PLAIN_SESSION_HEADERS = ['x-session-id', 'session-id', 'session_id', 'thread-id', 'conversation_id'];
const SESSION_HEADER = /^x-.+-session-id$/;
const SESSION_ID = /^[\w-]{8,}$/;
/** Before the session in Claude Code's `metadata.user_id`. */
const SESSION_MARK = '_session_';
const WORD = /^[\w-]+$/;
const SESSION_IN_BAGGAGE = /(?:^|,)\s*session\.id=([^,;\s]+)/;
const TRACE_PARENT = /^[\da-f]{2}-([\da-f]{32})-/;
const NO_HEADERS: Headers = {};
const NONE: readonly string[] = [];

/** Reads the facts at the start of the call, because a closed socket has no address. */
export function clientFactsOf({ options, body }: CallRequest, ownTags: readonly string[] = NONE): ClientFacts {
  const { headers: given, ip, socket } = (options.request ?? {}) as Incoming;
  const headers = isObject(given) ? (given as Headers) : NO_HEADERS;
  const header = (name: string): string | undefined => clientText(headers[name]);
  const metadata = body === undefined ? undefined : (fieldsIn(body.litellm_metadata) ?? fieldsIn(body.metadata));
  return {
    endUser: endUserOf(headers, body),
    sessionId: sessionOf(headers, body, metadata),
    traceId: TRACE_PARENT.exec(header('traceparent') ?? '')?.[1],
    requestId: header('x-request-id'),
    ip: clientText(ip) ?? clientText(socket?.remoteAddress),
    userAgent: header('user-agent'),
    tags: tagsOf(options.routing?.tags ?? NONE, header('x-litellm-tags'), ownTags),
  };
}

function sessionOf(headers: Headers, body: Fields | undefined, metadata: Fields | undefined): string | undefined {
  const named = firstTextOf(SESSION_HEADERS, headers);
  if (named !== undefined) return named;
  for (const name in headers) {
    if (!name.endsWith('-session-id') || !SESSION_HEADER.test(name)) continue;
    const id = clientText(headers[name]);
    if (id !== undefined && SESSION_ID.test(id)) return id;
  }
  return (
    firstTextOf(PLAIN_SESSION_HEADERS, headers) ??
    sessionIn(body, metadata) ??
    SESSION_IN_BAGGAGE.exec(clientText(headers.baggage) ?? '')?.[1]
  );
}

function sessionIn(body: Fields | undefined, metadata: Fields | undefined): string | undefined {
  if (body === undefined) return undefined;
  return clientText(body.litellm_session_id) ?? clientText(metadata?.session_id) ?? sessionInUser(fieldsIn(body.metadata)?.user_id);
}

/** Claude Code appends the session to the user, or sends both as JSON. */
function sessionInUser(user: unknown): string | undefined {
  if (typeof user !== 'string') return undefined;
  if (user.startsWith('{')) return clientText(objectIn(user)?.session_id);
  const mark = user.lastIndexOf(SESSION_MARK);
  const session = mark < 0 ? '' : user.slice(mark + SESSION_MARK.length);
  return WORD.test(session) ? clientText(session) : undefined;
}

/** Merges the tags of the body, LiteLLM's header and the key, without duplicates. */
function tagsOf(asked: readonly string[], header: string | undefined, own: readonly string[]): readonly string[] {
  if (header === undefined && own.length === 0 && asked.length === 0) return NONE;
  const listed = header === undefined ? NONE : header.split(',').map((tag) => tag.trim());
  const tags = new Set<string>();
  for (const tag of [...asked, ...listed, ...own]) {
    const text = clientText(tag);
    if (text !== undefined && tags.size < MOST_TAGS) tags.add(text);
  }
  return [...tags];
}

function fieldsIn(value: unknown): Fields | undefined {
  return isObject(value) ? value : undefined;
}
