import type { Fields } from '../../common/objects.js';
import { itself, RawField, rewrittenBy } from '../../http/body/raw-field.js';
import {
  asksForNothing,
  dropsParams,
  isChatParameter,
  OF_OTHER_APIS,
  refused,
  requestedFields,
  type RequestedFields,
} from '../parameters.js';
import type { SentRequest } from '../protocol.js';
import { dialectMessages } from './dialect-messages.js';
import { dialectTools } from './tools.js';
import type { Dialect } from './dialect.js';

type Field = readonly [name: string, value: unknown];

/** Every chat has them; the dialects differ only in the messages. */
const ALWAYS: ReadonlySet<string> = new Set(['model', 'messages', 'stream']);
/** Optional parameters: dropped for providers that do not have them. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set(
  'user metadata store stream_options service_tier safety_identifier prompt_cache_key prompt_cache_options prompt_cache_retention thinking'.split(
    ' ',
  ),
);
const FOREIGN: ReadonlySet<string> = new Set(OF_OTHER_APIS.split(' '));
const NOTHING: Dialect = {};

/**
 * A chat request in a provider's dialect.
 * @throws UnsupportedRequestError naming a parameter that the provider lacks
 */
export function chatFields(sent: SentRequest, dialect: Dialect): Fields {
  return new ChatFields(sent, dialect, requestedFields(sent)).written();
}

/** The fields of one request while it is being written. */
class ChatFields {
  private readonly fields: Fields;
  /** Parameters that reasoning models do not support while they reason. */
  private readonly reasoning: Dialect;
  /** For providers that only switch it. */
  private readonly thinking: 'enabled' | 'disabled' | undefined;

  constructor(
    private readonly sent: SentRequest,
    private readonly dialect: Dialect,
    private readonly requested: RequestedFields,
  ) {
    const { fields } = requested;
    const { whileReasoning, defaultEffort, switchesThinking } = dialect;
    this.fields = fields;
    this.reasoning = whileReasoning === undefined || effortIn(fields, defaultEffort) === 'none' ? NOTHING : whileReasoning;
    this.thinking = switchesThinking === true ? thinkingIn(fields) : undefined;
  }

  written(): Fields {
    const { requested, thinking } = this;
    const written: Field[] = [];
    for (const [name, value] of Object.entries(this.fields)) {
      if (value === undefined || value === null) continue;
      if (ALWAYS.has(name)) {
        written.push([name, name === 'messages' ? this.messages(value) : value]);
        continue;
      }
      if (!this.isSent(name, value)) continue;
      const own = this.valueOf(name, value);
      if (own !== undefined) written.push([this.nameOf(name), own]);
    }
    if (thinking !== undefined) written.push(['thinking', { type: thinking }]);
    const fields = Object.fromEntries(written);
    return requested.extra === undefined ? fields : { ...fields, ...requested.extra };
  }

  /** `false`: it is omitted. @throws UnsupportedRequestError */
  private isSent(name: string, value: unknown): boolean {
    const { sent, dialect, reasoning } = this;
    if (this.requested.allowed.has(name)) return true;
    if (dialect.ignores?.has(name) === true) return false;
    if (FOREIGN.has(name)) return name === 'cache_control' && dialect.messages?.cacheMarks !== undefined;
    // Clients of other APIs request thinking from every model.
    if (sent.hints?.has(name) === true && !takesHint(name, sent)) return false;
    if (this.isLacking(name)) {
      // The operator has configured it; clients of other APIs request thinking from every model.
      if (name === 'thinking' && value === sent.params.thinking && !dropsParams(sent, name)) return true;
      if (WITHOUT_EFFECT.has(name) || asksForNothing(name, value, this.fields) || dropsParams(sent, name)) return false;
      throw refused(name, sent, reasoning.lacks?.has(name) === true ? unlessNone(sent.model) : undefined);
    }
    const accepted = acceptedBy(dialect, name) ?? acceptedBy(reasoning, name);
    if (accepted === undefined || accepted.includes(value)) return true;
    if (dropsParams(sent, name)) return false;
    const reason = `${sent.provider} accepts only ${accepted.join(', ')} for ${sent.model}`;
    throw refused(name, sent, acceptedBy(reasoning, name) === accepted ? `${reason} unless reasoning_effort is none` : reason);
  }

  private isLacking(name: string): boolean {
    const { only, lacks } = this.dialect;
    if (lacks?.has(name) === true || this.reasoning.lacks?.has(name) === true) return true;
    return only !== undefined && isChatParameter(name) && !only.has(name);
  }

  private nameOf(name: string): string {
    const { renamed } = this.dialect;
    return renamed !== undefined && Object.hasOwn(renamed, name) ? renamed[name] : name;
  }

  /** `undefined`: it is omitted. */
  private valueOf(name: string, value: unknown): unknown {
    const { dialect, thinking } = this;
    const { requiredTool, messages: rules, tools, values = {}, bounds = {}, switchesThinking } = dialect;
    switch (name) {
      case 'tools': {
        const isMarked = rules?.cacheMarks !== undefined && keepsMarks(rules.cacheMarks, this.sent.model);
        const rewrite = (given: unknown): unknown => {
          const kept = dialectTools(given, tools, isMarked);
          return tools?.functionsOnly === true && Array.isArray(kept) && kept.length === 0 ? undefined : kept;
        };
        return value instanceof RawField ? rewrittenBy(value, rewrite) : rewrite(value);
      }
      case 'max_tokens':
        // If the request has both names of the limit, the newer one counts.
        if (dialect.renamed !== undefined && (this.fields.max_completion_tokens ?? undefined) !== undefined) return undefined;
        return value;
      case 'tool_choice':
        if (requiredTool !== undefined && value === 'required') return undefined;
        break;
      case 'thinking':
        return switchesThinking === true ? undefined : value;
      case 'reasoning_effort':
        if (switchesThinking === true && (thinking !== 'enabled' || value === 'none')) return undefined;
    }
    if (typeof value === 'string' && Object.hasOwn(values, name) && Object.hasOwn(values[name], value)) return values[name][value];
    if (typeof value === 'number' && Object.hasOwn(bounds, name)) return Math.min(Math.max(value, bounds[name][0]), bounds[name][1]);
    return value;
  }

  private messages(given: unknown): unknown {
    const { sent, dialect, thinking, fields } = this;
    const { messages: rules = {}, requiredTool } = dialect;
    const isMarked = rules.cacheMarks !== undefined && keepsMarks(rules.cacheMarks, sent.model);
    const context = { rules, isMarked, isThinking: thinking === 'enabled' };
    const rewrite = (list: unknown, textOf: (text: string) => string): unknown => {
      const messages = dialectMessages(list, { textOf, ...context });
      const asks = requiredTool !== undefined && fields.tool_choice === 'required' && Array.isArray(messages);
      return asks ? [...(messages as unknown[]), { role: 'user', content: requiredTool }] : messages;
    };
    return given instanceof RawField ? rewrittenBy(given, rewrite) : rewrite(given, itself);
  }
}

function acceptedBy({ accepts }: Dialect, name: string): readonly unknown[] | undefined {
  return accepts !== undefined && Object.hasOwn(accepts, name) ? accepts[name] : undefined;
}

function keepsMarks(rule: true | RegExp, model: string): boolean {
  return rule === true || rule.test(model);
}

/** Also in the form of the Responses API: `{ effort: 'high' }`. */
function effortIn({ reasoning_effort: effort }: Fields, byDefault: string | undefined): unknown {
  if (typeof effort === 'object' && effort !== null) return (effort as { readonly effort?: unknown }).effort ?? byDefault;
  return effort ?? byDefault;
}

function thinkingIn({ thinking, reasoning_effort: effort }: Fields): 'enabled' | 'disabled' | undefined {
  const { type } = (thinking ?? {}) as { readonly type?: unknown };
  if (type === 'enabled' || type === 'disabled') return type;
  if (type === 'adaptive') return 'enabled';
  if (effort === undefined || effort === null) return undefined;
  return effort === 'none' ? 'disabled' : 'enabled';
}

function unlessNone(model: string): string {
  return `${model} supports this parameter only with reasoning_effort none`;
}

/** Models that think before they answer, by the names that hosts give them. */
const REASONING =
  /gpt-oss|gpt-?[5-9]|(?:^|[^a-z\d])o[1-9](?:[^a-z\d]|$)|qwen-?3|qwq|deepseek-?(?:r\d|reasoner|v3\.[1-9]|v[4-9])|magistral|grok-(?:3-mini|[4-9])|gemini-(?:2\.5|[3-9])|claude|kimi-k(?:2\.[5-9]|[3-9])|glm-(?:4\.[5-9]|[5-9])|minimax-m|nemotron|seed-oss|hunyuan|exaone-deep|ernie-x|thinking|reason|(?:^|[^a-z\d])r1(?:[^a-z\d]|$)/i;

/** They have `verbosity`. */
const VERBOSE = /gpt-?[5-9]/i;

/**
 * Whether a model supports thinking, which some clients request from every model: others refuse an
 * effort. An operator's own name for a model needs `base_model` or `supports_reasoning`.
 */
export function takesHint(name: string, { model, baseModel = model, supportsReasoning }: SentRequest): boolean {
  if (name === 'verbosity') return VERBOSE.test(baseModel);
  if (name !== 'reasoning_effort') return true;
  return typeof supportsReasoning === 'boolean' ? supportsReasoning : REASONING.test(baseModel);
}
