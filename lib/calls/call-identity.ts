import { createHash } from 'node:crypto';
import { fieldsOf } from '../common/objects.js';
import type { JsonBody } from '../http/body/json-body.js';
import { MAY_CALL_ANY, type Principal } from '../http/principal.js';
import { markedIndex } from '../json-body/text-marks.js';
import type { Forwarded } from '../providers/forwarded/forwarded.js';
import { isSentParam } from '../router/config/litellm-keys.js';
import type { CallOptions } from './call-options.js';
import type { CallRouter, Deployment, RoutingContext } from './call-router.js';

/** Which callers share answers: those with the same key, or all keys of a team. */
export type SharingScope = 'key' | 'team';

/** The parts of a call that its identity depends on. */
export interface IdentifiedCall {
  readonly principal: Principal | undefined;
  readonly guards?: { readonly applied?: readonly string[] } | undefined;
  readonly context: RoutingContext;
  readonly asked: {
    readonly operation: string;
    readonly model: string;
    readonly options: CallOptions;
    readonly body?: object;
    /** The same as bytes, if it has them. */
    readonly json?: JsonBody | undefined;
    readonly forwarded?: Forwarded | undefined;
  };
}

/** Dependencies of identities. */
export interface IdentitySettings {
  readonly router: Pick<CallRouter, 'knownName' | 'deployments'>;
  readonly scope: SharingScope;
}

/** Fields that control the call, name its sender or choose the form of the answer. */
const WITHOUT_INFLUENCE: ReadonlySet<string> = new Set(
  `model stream stream_options cache caching preset_cache_key no-log priority timeout total_timeout stream_timeout num_retries max_retries
  tags guardrails litellm_metadata litellm_call_id litellm_trace_id litellm_session_id`.split(/\s+/),
);
/** The same, unless the answer repeats them, as that of Responses does. */
const OF_SENDER: ReadonlySet<string> = new Set(
  'user metadata safety_identifier prompt_cache_key prompt_cache_retention prompt_cache_options'.split(' '),
);
/** Parameters of a deployment that change its requests, in addition to those sent to providers. */
const CHANGING_PARAMS: ReadonlySet<string> = new Set(
  `api_base base_url api_version custom_llm_provider headers extra_headers default_headers extra_body drop_params additional_drop_params
  allowed_openai_params use_chat_completions_api mock_response`.split(/\s+/),
);
/** Headers that Anthropic's API reads, and that are passed on to it. */
const ANTHROPIC_HEADERS = ['anthropic-beta', 'anthropic-version'] as const;
const BACKSLASH = 0x5c;
const QUOTE = Buffer.from('"');

/**
 * Computes when two calls are the same: a SHA-256 over the caller's scope, the operation, the model
 * group with the parameters of its deployments, and the body in canonical JSON. Created once for
 * each version of the configuration; computes nothing until a layer calls `of`.
 *
 * ```
 * scope      key or team; model groups that the caller can use; its aliases; guardrails that apply
 * target     operation, path, model group, parameters of its deployments, fallbacks, routing
 * body       keys sorted, lists in order, 1.0 = 1; without fields such as `stream`, `user`, `cache`
 * ```
 *
 * Strings are compared by code unit: `é` and `e` with an accent are two different prompts.
 */
export class CallIdentities {
  private readonly known = new WeakMap<object, string | null>();
  /** Parameters of deployments by model group. */
  private readonly params = new Map<string, string>();

  constructor(private readonly settings: IdentitySettings) {}

  /**
   * 64 hex digits. `undefined` if the call cannot be identified: it has no authenticated sender, no
   * JSON body, or a number that JavaScript cannot represent exactly. Whole and streamed calls have
   * the same identity.
   */
  of(call: IdentifiedCall): string | undefined {
    const { asked } = call;
    const known = this.known.get(asked);
    if (known !== undefined) return known ?? undefined;
    const identity = this.compute(call);
    this.known.set(asked, identity ?? null);
    return identity;
  }

  private compute(call: IdentifiedCall): string | undefined {
    const { principal, asked } = call;
    const { body, json, forwarded, operation } = asked;
    const isAnswered = forwarded === undefined || (forwarded.answer === 'json' && forwarded.isOfAccount !== true);
    if (principal === undefined || body === undefined || !isAnswered || forwarded?.form !== undefined) return undefined;
    const hash = createHash('sha256');
    try {
      const heading = [scopeOf(principal, this.settings.scope), operation, forwarded?.path, this.targetOf(asked.model)];
      hash.update(canonicalJson([...heading, this.permissionsOf(call), routeOf(call)]));
      const ignored = operation === 'responses' ? [WITHOUT_INFLUENCE] : [WITHOUT_INFLUENCE, OF_SENDER];
      new CanonicalWriter(hash, json).fields(json?.outline ?? body, (name) => !ignored.some((names) => names.has(name)));
    } catch (error) {
      if (error instanceof InexactNumber) return undefined;
      throw error;
    }
    return hash.digest('hex');
  }

  /** The model group, and what its deployments add to requests. */
  private targetOf(model: string): readonly string[] {
    const group = this.settings.router.knownName(model);
    return [group, this.paramsOf(group)];
  }

  private paramsOf(group: string): string {
    const known = this.params.get(group);
    if (known !== undefined) return known;
    const deployments = this.settings.router.deployments();
    const own = deployments.filter(({ modelName, id }) => modelName === group || id === group);
    const found = own.length > 0 ? own : deployments.filter(({ modelName }) => modelName.includes('*'));
    const params = [...new Set(found.map(requestParams))].sort().join();
    // Clients can name any number of models of a pattern.
    if (own.length > 0) this.params.set(group, params);
    return params;
  }

  /** What the caller can use, and which guardrails apply. */
  private permissionsOf({ principal, guards, asked }: IdentifiedCall): unknown {
    const { mayCall = MAY_CALL_ANY } = asked.options;
    const groups = (): readonly string[] => [...new Set(this.settings.router.deployments().map(({ modelName }) => modelName))];
    const may = (model: string): boolean => mayCall(model) && principal?.mayCall(model) !== false;
    const isFree = mayCall === MAY_CALL_ANY && principal?.mayCall === MAY_CALL_ANY;
    const guardrails = [principal?.metadata.guardrails, principal?.teamMetadata?.guardrails];
    return [isFree ? null : groups().filter(may).sort(), principal?.modelAliases, guards?.applied, guardrails];
  }
}

/** The options that decide which deployment answers, and the client's headers for it. */
function routeOf({ asked, context }: IdentifiedCall): unknown {
  const { fallbacks, contextWindowFallbacks, contentPolicyFallbacks, disableFallbacks, request } = asked.options;
  const { tags, strategy, blockedModels, excludeIds } = context;
  const headers = asked.operation === 'messages' ? fieldsOf((request as { readonly headers?: unknown } | undefined)?.headers) : {};
  return [
    [fallbacks, contextWindowFallbacks, contentPolicyFallbacks, disableFallbacks],
    [tags, strategy, blockedModels, excludeIds],
    ANTHROPIC_HEADERS.map((name) => headers[name]),
  ];
}

/** A scope's kind is part of it: a team can have the name of a key. */
function scopeOf({ limitKey, team }: Principal, scope: SharingScope): readonly string[] {
  return scope === 'team' && team !== undefined ? ['team', team] : ['key', limitKey];
}

function requestParams({ params, model }: Deployment): string {
  const entries = Object.entries(params).filter(([name]) => CHANGING_PARAMS.has(name) || isSentParam(name));
  return canonicalJson([model, Object.fromEntries(entries)]);
}

/** JSON with sorted keys. @throws InexactNumber */
function canonicalJson(value: unknown): string {
  let text = '';
  new CanonicalWriter({ update: (part) => (text += String(part)) }).value(value);
  return text;
}

/** Two numbers of the client could be the same one here. */
class InexactNumber extends Error {}

/** Writes JSON with sorted keys to a hash; a lone surrogate is written as an escape. */
class CanonicalWriter {
  /** @param texts the body whose long texts are marked in the values */
  constructor(
    private readonly hash: { update(part: string | Buffer): unknown },
    private readonly texts?: JsonBody,
  ) {
    if (texts?.scan.hasOddNumbers === true) throw new InexactNumber();
  }

  fields(value: object, isWritten: (name: string) => boolean = () => true): void {
    const fields = value as Readonly<Record<string, unknown>>;
    let separator = '{';
    for (const name of Object.keys(fields).sort()) {
      if (!isWritten(name)) continue;
      const field = fields[name];
      // As `JSON.stringify` omits them.
      if (field === undefined || typeof field === 'function' || typeof field === 'symbol') continue;
      this.hash.update(`${separator}${JSON.stringify(name)}:`);
      this.value(field);
      separator = ',';
    }
    this.hash.update(separator === '{' ? '{}' : '}');
  }

  value(given: unknown): void {
    const value = ownJson(given);
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) {
      this.hash.update('[');
      for (let at = 0; at < value.length; at++) {
        if (at > 0) this.hash.update(',');
        this.value(value[at]);
      }
      return void this.hash.update(']');
    }
    if (typeof value === 'object' && value !== null) return this.fields(value);
    if (typeof value === 'bigint') throw new InexactNumber();
    if (typeof value === 'number' && (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))))
      throw new InexactNumber();
    this.hash.update(JSON.stringify(value) ?? 'null');
  }

  /** Long texts are hashed where they are; only escapes are decoded. */
  private text(text: string): void {
    const index = this.texts === undefined ? -1 : markedIndex(text);
    if (index < 0 || this.texts === undefined) return void this.hash.update(JSON.stringify(text));
    const raw = this.texts.rawText(index);
    if (raw.includes(BACKSLASH)) return void this.hash.update(JSON.stringify(this.texts.textAt(index)));
    this.hash.update(QUOTE);
    this.hash.update(raw);
    this.hash.update(QUOTE);
  }
}

function ownJson(value: unknown): unknown {
  const { toJSON } = (value ?? {}) as { readonly toJSON?: unknown };
  return typeof toJSON === 'function' ? (value as { toJSON(): unknown }).toJSON() : value;
}
