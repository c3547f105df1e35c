import { fieldsOf, type Fields } from '../../common/objects.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { headerOf, type AnyHeaders } from '../retry-after.js';
import { forwardedCall } from '../openai/forwarded.js';
import { OPENAI_READER } from '../openai/reader.js';
import { mergedFields, passed, pickedFields, written } from '../openai/request.js';
import { CHAT_PARAMETERS } from '../parameters.js';
import type { CountCall, CountedOperation, Operation, Protocol, SentRequest, WireCall } from '../protocol.js';
import { rawHeader } from '../raw-headers.js';
import { errorIn, hasError } from './errors.js';
import { MESSAGES_READER, PassingTranslator } from './reader.js';
import { withOwnHistory } from './own-history.js';
import { messagesRequest, type TakenByHost } from './request.js';
import { refuseThread } from './threads.js';
import { MessageTranslator } from './stream.js';

/** The version whose requests are written here. A client of its own API may name another one. */
const VERSION = '2023-06-01';

/** Where Anthropic's models are served: Anthropic itself, or a cloud. */
export interface MessagesHost extends TakenByHost {
  /** Behind the address's own path. */
  pathOf(sent: SentRequest): string;
  /** `anthropic_version` of the body, for a host that has the model in its path. */
  readonly bodyVersion?: string;
  /** Where it counts tokens. Default: `/messages/count_tokens`. */
  readonly countPath?: string;
  /** Whether it keeps conversations (`thread`). */
  readonly keepsThreads?: true;
}

const DIRECT: MessagesHost = { takesUrls: true, midSystem: true, hasTiers: true, pathOf: () => '/messages' };
/** Providers with everything in the body; others with the protocol keep no conversations. */
const HOSTS: Readonly<Record<string, MessagesHost>> = {
  anthropic: { ...DIRECT, keepsThreads: true },
  azure_ai: { ...DIRECT, midSystem: false },
  bedrock_mantle: { ...DIRECT, midSystem: false, takesUrls: false },
};

/** Anthropic's Messages API. */
export const ANTHROPIC: Protocol = {
  name: 'anthropic',
  call: (operation, sent) =>
    operation === 'message_batches' ? batchCall(sent) : messagesCall(operation, sent, HOSTS[sent.provider] ?? DIRECT),
  count: (operation, sent) => messagesCount(operation, sent, HOSTS[sent.provider] ?? DIRECT),
  errorIn,
  hasError,
};

/**
 * An operation as a request to any host of Anthropic's models; `undefined`: they do not have it.
 * @throws InvalidArgumentError, UnsupportedRequestError naming the parameter
 */
export function messagesCall(operation: Operation, sent: SentRequest, host: MessagesHost): WireCall | undefined {
  if (operation === 'chat') return chatCall(sent, host);
  return operation === 'messages' ? nativeCall(sent, host) : undefined;
}

/** `MessageCountTokensParams` of the SDK: other fields are an error at the endpoint. */
const COUNTED =
  `model messages system tools tool_choice thinking output_config output_format cache_control mcp_servers context_management speed`.split(
    ' ',
  );

/** A request to count a prompt at any host of Anthropic's models; its body names the model. */
export function messagesCount(operation: CountedOperation, sent: SentRequest, host: MessagesHost): CountCall | undefined {
  const { countPath: path = '/messages/count_tokens' } = host;
  if (operation === 'responses' || operation === 'generateContent') return undefined;
  if (operation === 'chat') {
    const { body, betas } = messagesRequest(sent, host);
    return {
      path,
      headers: headersFor(sent, host, { betas }),
      body: written(sent, () => pickedFields(body, COUNTED)),
      field: 'input_tokens',
    };
  }
  const native = nativeRequest(sent);
  const body = written(native, () => pickedFields(withOwnHistory(mergedFields(native)), COUNTED));
  return { path, headers: headersFor(sent, host, clientHeaders(sent)), body, field: 'input_tokens' };
}

function chatCall(sent: SentRequest, host: MessagesHost): WireCall {
  const { body, names, betas } = messagesRequest(sent, host);
  const includesUsage = sent.addsUsage || fieldsOf(sent.body.stream_options).include_usage === true;
  return {
    path: host.pathOf(sent),
    headers: headersFor(sent, host, { betas }),
    body: written(sent, () => placed(body, host)),
    translator: new MessageTranslator({ names, model: sent.model, includesUsage }),
    reader: OPENAI_READER,
  };
}

/** The client's own request: only what steers the call is taken out. */
function nativeCall(sent: SentRequest, host: MessagesHost): WireCall {
  if (host.keepsThreads !== true) refuseThread(sent.body.thread, sent.provider);
  const native = nativeRequest(sent);
  return {
    path: host.pathOf(sent),
    headers: headersFor(sent, host, clientHeaders(sent)),
    body: written(native, () => placed(withOwnHistory(mergedFields(native)), host)),
    ...(sent.request.stream && { translator: new PassingTranslator() }),
    reader: MESSAGES_READER,
  };
}

/** Its requests are billed when they have run: their usage is in the results. */
const NO_USAGE = { promptTokens: 0, completionTokens: 0, totalTokens: 0 };

/** A request about batches of the account. */
function batchCall(sent: SentRequest): WireCall | undefined {
  const { forwarded } = sent.request;
  if (forwarded === undefined) return undefined;
  const call = forwardedCall(forwarded, sent, { ...MESSAGES_READER, usageIn: () => NO_USAGE });
  return { ...call, headers: headersFor(sent, DIRECT, clientHeaders(sent)) };
}

function nativeRequest(sent: SentRequest): SentRequest {
  return { ...passed(sent), addsUsage: false, defaults: nativeDefaults(sent.defaults) };
}

/** Settings from the client's own headers. */
function clientHeaders({ request }: SentRequest): RequestHeaders {
  const { headers } = fieldsOf(request.options.request);
  const version = clientVersion(headerOf(headers as AnyHeaders, 'anthropic-version'));
  return { betas: listOf(headerOf(headers as AnyHeaders, 'anthropic-beta')).map(checkedBeta), version };
}

function placed(body: Fields, { bodyVersion }: MessagesHost): Fields {
  if (bodyVersion === undefined) return body;
  const others = { anthropic_version: bodyVersion, ...body };
  delete (others as { model?: unknown }).model;
  return others;
}

/** Chat parameters with the same meaning here. */
const SHARED = new Set(['max_tokens', 'temperature', 'top_p', 'thinking']);

/** A deployment's fields are in the words of chat: only those that Anthropic has. */
function nativeDefaults(defaults: Fields | undefined): Fields | undefined {
  if (defaults === undefined) return undefined;
  return Object.fromEntries(Object.entries(defaults).filter(([name]) => SHARED.has(name) || !CHAT_PARAMETERS.has(name)));
}

/** Headers that depend on the request. */
interface RequestHeaders {
  readonly betas: readonly string[];
  /** The client's. */
  readonly version?: string;
}

/** Betas of the deployment, of the request and of the client are one list. */
function headersFor({ headers = [] }: SentRequest, host: MessagesHost, { betas, version }: RequestHeaders): string[] {
  const all = new Set([...listOf(rawHeader(headers, 'anthropic-beta')), ...betas]);
  const versioned =
    host.bodyVersion === undefined ? ['anthropic-version', version ?? rawHeader(headers, 'anthropic-version') ?? VERSION] : [];
  return all.size === 0 ? versioned : [...versioned, 'anthropic-beta', [...all].join(',')];
}

function listOf(header: string | undefined): string[] {
  if (header === undefined || header.length > LONGEST_BETAS) return [];
  return header
    .split(',')
    .map((beta) => beta.trim())
    .filter((beta) => beta !== '');
}

/** Longer lists are ignored. */
const LONGEST_BETAS = 4096;
const BETA = /^[\w.:-]{1,128}$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

function checkedBeta(beta: string): string {
  if (BETA.test(beta)) return beta;
  throw new InvalidArgumentError('anthropic-beta', beta, 'must be an array of beta names');
}

function clientVersion(version: string | undefined): string | undefined {
  if (version === undefined || DATE.test(version)) return version;
  throw new InvalidArgumentError('anthropic-version', version, 'must be a date such as 2023-06-01');
}
