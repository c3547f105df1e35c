import { isDeepStrictEqual } from 'node:util';
import { boolean, custom, type OptionsOf, type Resolved } from '../../common/option.js';
import { fieldsOf, isObject, listOf, type Fields } from '../../common/objects.js';
import { checkArray, checkObject, checkString, joinPath, type Refuse } from '../../common/options.js';
import { VERSION } from '../../common/version.js';
import type { HookedCall } from '../../calls/hooks/call-hook.js';
import type { Finding, Guardrail, GuardrailInput, GuardrailVerdict } from '../guardrail.js';
import { guardrailKind, type GuardrailParts, type ResolvedEntry } from '../guardrail-kind.js';
import { address, secret } from './service-options.js';

const PATH = '/beta/litellm_basic_guardrail_api';
/** Headers whose values a service gets; of others it gets only that they are there. */
const SHOWN_HEADERS = /^(?:host|accept-encoding|connection|accept|content-type|user-agent|content-length|x-stainless-.*|x-litellm-.*)$/;
const SECRET_HEADERS = /key|token|secret|auth|cookie/;
const MOST_IMAGES = 100;

export const PARAMS = {
  /**
   * Address of the service; LiteLLM's path is added if it is missing. Required; default:
   * `GENERIC_GUARDRAIL_API_BASE`.
   */
  api_base: address({ env: 'GENERIC_GUARDRAIL_API_BASE' }),
  /** Sent as `x-api-key`. Default: `GENERIC_GUARDRAIL_API_KEY`. */
  api_key: secret('GENERIC_GUARDRAIL_API_KEY'),
  /** More headers of each request. */
  headers: custom<Readonly<Record<string, string>>>('object of strings', checkHeaders, {}),
  /** Names of headers of the client whose values the service gets. */
  extra_headers: custom<readonly string[], ReadonlySet<string>>('list of names', checkNames, new Set()),
  /** Sent with each request; the `extra_body` of a request can add others. */
  additional_provider_specific_params: custom<Fields>('object', checkObject, {}),
  /**
   * Whether the answer can contain other texts. `false`: the guardrail only allows
   * and denies. Default `true`.
   */
  allows_rewrites: boolean({ default: true }),
};

/** `litellm_params` of the type. */
export interface GenericApiParams extends OptionsOf<typeof PARAMS> {}

/** Asks a service with LiteLLM's protocol for guardrails, which about forty vendors offer. */
export const GENERIC_GUARDRAIL_API = guardrailKind({
  id: 'generic_guardrail_api',
  modes: ['pre_call', 'during_call', 'post_call', 'logging_only'],
  params: PARAMS,
  ignored: ['forward_messages_as_sent'],
  create: (entry, parts) => new GenericGuardrail(entry, parts),
});

class GenericGuardrail implements Guardrail {
  readonly abilities;
  private readonly url: string;

  constructor(
    private readonly entry: ResolvedEntry<Resolved<typeof PARAMS>>,
    private readonly parts: GuardrailParts,
  ) {
    const { modes, params, path, refuse } = entry;
    if (params.api_base === undefined) throw refuse(joinPath(path, 'api_base'), undefined, 'must be set, or GENERIC_GUARDRAIL_API_BASE');
    this.url = params.api_base.endsWith(PATH) ? params.api_base : `${params.api_base}${PATH}`;
    this.abilities = { modes, rewrites: params.allows_rewrites && !modes.every((mode) => mode === 'during_call') };
  }

  async check({ texts, side, call, extra, signal }: GuardrailInput): Promise<GuardrailVerdict> {
    const { params, timeoutMs, numRetries } = this.entry;
    const { body } = call;
    const images = side === 'request' ? imagesIn(body.messages ?? body.input) : [];
    const isRequest = side === 'request';
    const answer = await this.parts.http.post({
      url: this.url,
      headers: { ...params.headers, ...(params.api_key !== undefined && { 'x-api-key': params.api_key }) },
      body: {
        input_type: isRequest ? 'request' : 'response',
        litellm_call_id: call.id,
        litellm_trace_id: traceOf(body),
        litellm_version: VERSION,
        model: call.model,
        texts: texts.map(({ text }) => text),
        images: images.length === 0 ? null : images,
        tools: isRequest && Array.isArray(body.tools) ? body.tools : null,
        tool_calls: null,
        structured_messages: isRequest && Array.isArray(body.messages) ? body.messages : null,
        request_data: senderOf(call),
        request_headers: this.headersOf(call),
        additional_provider_specific_params: { ...extra, ...params.additional_provider_specific_params },
      },
      signal,
      timeoutMs,
      numRetries,
    });
    return this.read(answer, texts, { images, tools: isRequest ? listOf(body.tools) : [] });
  }

  private read(
    answer: unknown,
    texts: GuardrailInput['texts'],
    sent: { readonly images: readonly unknown[]; readonly tools: readonly unknown[] },
  ): GuardrailVerdict {
    const { action, blocked_reason: reason, texts: changed, images, tools } = fieldsOf(answer);
    const finding = (kind: string, done: Finding['action']): readonly Finding[] => [
      { kind, path: texts[0]?.path ?? '', action: done, count: 1 },
    ];
    if (action === 'BLOCKED') {
      const message = typeof reason === 'string' && reason !== '' ? reason : 'Content violates policy';
      return { block: { message }, findings: finding('blocked', 'blocked') };
    }
    if (action !== 'NONE' && action !== 'GUARDRAIL_INTERVENED') throw new Error('an answer without a known action');
    if (Array.isArray(changed) && changed.length > 0) {
      if (changed.length !== texts.length || !changed.every((text) => typeof text === 'string'))
        throw new Error(`an answer with ${changed.length} texts for ${texts.length}`);
      if (changed.every((text, at) => text === texts[at].text)) return undefined;
      if (!this.entry.params.allows_rewrites) throw new Error('an answer with other texts, which allows_rewrites excludes');
      return { texts: changed, findings: finding('rewritten', 'masked') };
    }
    // What cannot be applied must not look as if it was.
    const isSame = (given: unknown, of: readonly unknown[]): boolean => listOf(given).length === 0 || isDeepStrictEqual(given, of);
    if (action === 'GUARDRAIL_INTERVENED' || !isSame(images, sent.images) || !isSame(tools, sent.tools))
      throw new Error('an answer that changes images, tools or messages instead of texts');
    return undefined;
  }

  private headersOf({ request }: HookedCall): Readonly<Record<string, string>> | null {
    const { headers } = (request ?? {}) as { readonly headers?: unknown };
    if (!isObject(headers)) return null;
    const { extra_headers: extra } = this.entry.params;
    const shown = (name: string): boolean => extra.has(name) || (SHOWN_HEADERS.test(name) && !SECRET_HEADERS.test(name));
    return Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) => {
        const text = Array.isArray(value) ? value.join(', ') : value;
        return typeof text === 'string' ? [[name, shown(name.toLowerCase()) ? text : '[present]']] : [];
      }),
    );
  }
}

/** The sender, by LiteLLM's names. */
function senderOf({ principal, body }: HookedCall): Fields {
  return {
    user_api_key_hash: principal?.keyId ?? null,
    user_api_key_alias: principal?.alias ?? null,
    user_api_key_user_id: principal?.user ?? null,
    user_api_key_team_id: principal?.team ?? null,
    user_api_key_org_id: principal?.organization ?? null,
    user_api_key_end_user_id: typeof body.user === 'string' ? body.user : null,
  };
}

function traceOf({ metadata, litellm_trace_id: trace }: Fields): string | null {
  const { trace_id: own } = fieldsOf(metadata);
  return [trace, own].find((id): id is string => typeof id === 'string') ?? null;
}

/** Addresses of images, at any depth of messages. */
function imagesIn(value: unknown, found: string[] = [], depth = 0): readonly string[] {
  if (typeof value !== 'object' || value === null || depth > 8 || found.length >= MOST_IMAGES) return found;
  if (Array.isArray(value)) {
    for (const each of value) imagesIn(each, found, depth + 1);
    return found;
  }
  const { image_url: image, source, content } = value as Fields;
  const url = typeof image === 'string' ? image : (fieldsOf(image).url ?? fieldsOf(source).url);
  if (typeof url === 'string') found.push(url);
  const { data, media_type: type } = fieldsOf(source);
  if (typeof data === 'string' && typeof type === 'string') found.push(`data:${type};base64,${data}`);
  return imagesIn(content, found, depth + 1);
}

function checkHeaders(path: string, value: unknown, refuse: Refuse): Readonly<Record<string, string>> {
  const headers = checkObject(path, value, refuse);
  for (const [name, text] of Object.entries(headers))
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || typeof text !== 'string' || /[\r\n\0]/.test(text))
      throw refuse(joinPath(path, name), 'a value that is not shown', 'must be a header with one line of text');
  return headers as Readonly<Record<string, string>>;
}

function checkNames(path: string, value: unknown, refuse: Refuse): ReadonlySet<string> {
  return new Set(checkArray(path, value, (at, name) => checkString(at, name, refuse).toLowerCase(), refuse));
}
