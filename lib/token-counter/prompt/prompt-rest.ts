import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import { countUnnoted, textOf, TOKENS_PER_BYTE, type PromptContext } from './prompt-context.js';
import type { PromptReads, ReadAs } from './prompt-reads.js';

type Body = Readonly<Record<string, unknown>>;

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/**
 * Parameters that providers do not add to the prompt. Everything else counts: a field missing here
 * only makes holds larger, but a field listed by mistake would not be held for.
 */
const PARAMETERS = words(`
  model n best_of stream stream_options temperature top_p top_k top_a min_p typical_p tfs seed stop stop_sequences max_tokens
  max_completion_tokens max_output_tokens max_tool_calls min_tokens presence_penalty frequency_penalty repetition_penalty logit_bias logprobs
  top_logprobs user store service_tier metadata reasoning_effort reasoning thinking verbosity modalities audio parallel_tool_calls
  prompt_cache_key prompt_cache_retention prompt_cache_options safety_identifier include truncation background previous_response_id
  encoding_format dimensions input_type voice size quality style speed response_mime_type web_search_options cache_control container
  context_management inference_geo betas anthropic_beta echo ignore_eos return_documents max_chunks_per_doc rank_fields enable_thinking
  models route provider transforms usage safetySettings safety_settings client_metadata timeout stream_timeout request_timeout num_retries
  max_retries extra_headers headers api_key api_base base_url api_version organization custom_llm_provider
`);
/** Fields that no provider gets, and fallbacks, which count by themselves. */
const UNSENT = words(`
  fallbacks context_window_fallbacks content_policy_fallbacks disable_fallbacks max_fallbacks routing_strategy tags priority cache caching
  guardrails drop_params additional_drop_params allowed_openai_params model_info user_config secret_fields proxy_server_request mock_response
  mock_timeout no-log
`);
/** Prefixes of LiteLLM's own fields. */
const UNSENT_FAMILIES = /^(?:litellm_|mock_testing_)/;
/** Parameters are short; a longer one is text that a provider may read. */
const LONGEST_PARAMETER = 16_384;

/** Keys of JSON schemas whose values can be anything, and which are not in the prompt. */
const SCHEMA_WORDS = words(`
  type description properties required items prefixItems additionalProperties anyOf oneOf allOf enum const $ref $defs definitions title default
  examples example pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems maxItems
  uniqueItems minProperties maxProperties nullable not if then else $schema $id $comment readOnly writeOnly deprecated strict propertyOrdering
`);
const TYPES = words('string number integer boolean object array null STRING NUMBER INTEGER BOOLEAN OBJECT ARRAY NULL');

/** Keys of messages, parts, items and tools. */
const PART_WORDS = words(`
  role content parts type id call_id tool_call_id tool_use_id name text thinking signature data refusal image_url url detail source media_type
  mime_type mimeType file file_id file_data filename input_audio format audio video_url function custom arguments input output status index
  tool_calls function_call annotations logprobs cache_control ttl citations is_error summary encrypted_content reasoning_content
  reasoning_details phase title context tool_name tool_choice description parameters input_schema strict tools server_label allowed_tools
  json_schema schema verbosity version variables inlineData inline_data fileData file_data functionCall function_call functionResponse
  function_response functionDeclarations function_declarations thoughtSignature thought_signature thought action actions queries results
  outputs error code caller display_width display_height display_number disable_parallel_tool_use max_uses
`);
/** Short texts that name something. */
const NAMES = words(
  'type id call_id tool_call_id tool_use_id status detail format media_type mime_type mimeType phase object file_id ttl version',
);
const LONGEST_NAME = 64;
/** Signatures of a provider's own text, which is not read again. */
const PROOFS = words('signature thoughtSignature thought_signature');
/** Encrypted text, estimated by its length. */
const ENCRYPTED = words('encrypted_content');

/** More levels than a prompt can have. */
const MOST_LEVELS = 256;
/** More values than a body can have unless it contains itself. */
const MOST_VALUES = 2_000_000;
/** Digits of a token, as most tokenizers split numbers. */
const DIGITS = 3;
/** Estimates learn from a provider's figure if unread text is at most this long. */
const LITTLE = 256;

/** Whether a body refers to a prompt that it does not contain. */
export function addsToPrompt(body: Body): boolean {
  return Object.keys(body).some((name) => typeof body[name] !== 'number' && !isParameter(name, body[name]));
}

/** Whether a body without a prompt requests a ranking of documents. */
export function isRerank({ model, query, documents, messages, input, prompt, contents }: Body): boolean {
  if ((messages ?? input ?? prompt ?? contents) !== undefined) return false;
  return typeof model === 'string' && (query ?? undefined) !== undefined && (documents ?? undefined) !== undefined;
}

function isParameter(name: string, value: unknown, context?: PromptContext): boolean {
  if (UNSENT.has(name) || UNSENT_FAMILIES.test(name)) return true;
  if (!PARAMETERS.has(name)) return false;
  if (typeof value === 'string' && context?.long === undefined) return value.length <= LONGEST_PARAMETER;
  return lengthUpTo(LONGEST_PARAMETER, value, context) <= LONGEST_PARAMETER;
}

/** Approximate length of a value as JSON; stops above `most`. */
function lengthUpTo(most: number, value: unknown, context?: PromptContext, depth = 0): number {
  if (typeof value === 'string') return (context === undefined ? value : textOf(value, context)).length;
  if (typeof value !== 'object' || value === null) return 0;
  if (depth > MOST_LEVELS) return Infinity;
  let length = 0;
  for (const key in value) {
    length += key.length + lengthUpTo(most - length, (value as Body)[key], context, depth + 1);
    if (length > most) break;
  }
  return length;
}

/**
 * Counts everything in a body that no rule has counted and that can be part of the prompt: schemas
 * of every kind, keys and numbers included, and fields of any API.
 */
export class PromptRest {
  /** UTF-16 code units counted so far. */
  private units = 0;
  private walked = 0;

  constructor(
    private readonly context: PromptContext,
    private readonly reads: PromptReads,
  ) {}

  /** The tokens of a body's fields, or of those of its `extra_body`. */
  count(body: Body): number {
    const { context, reads } = this;
    let tokens = 0;
    for (const name in body) {
      const value = body[name];
      if (typeof value === 'number' || typeof value === 'boolean' || (reads.areMessagesPlain && value === reads.messages)) continue;
      if (name === 'extra_body' && typeof value === 'object' && value !== null && !Array.isArray(value))
        tokens += this.count(value as Body);
      else if (!isParameter(name, value, context)) tokens += this.value(value, 0, 0);
    }
    if (this.units > LITTLE) context.assumed = true;
    return tokens;
  }

  /** @param glue tokens of the quotes and commas around a value of a structure */
  private value(value: unknown, glue: number, depth: number): number {
    if (typeof value === 'string') return this.reads.takes(value) ? 0 : this.countText(value) + glue;
    if (typeof value === 'number') return Math.ceil(String(value).length / DIGITS) + glue;
    if (typeof value !== 'object' || value === null) return glue;
    if (depth > MOST_LEVELS || this.walked++ > MOST_VALUES)
      throw new InvalidArgumentError('body', NO_VALUE, `must not be nested deeper than ${MOST_LEVELS} levels`, 'NESTED_TOO_DEEP');
    const how = this.reads.readAs(value);
    if (how === 'whole') return 0;
    let tokens = 0;
    if (Array.isArray(value)) {
      const areMessages = value === this.reads.messages;
      for (const each of value as readonly unknown[]) {
        const isPlainMessage = areMessages && this.reads.readAs(each as object) === undefined;
        if (!isPlainMessage) tokens += this.value(each, glue, depth + 1);
      }
    } else for (const key in value) tokens += this.field(key, value as Body, how, depth);
    return tokens;
  }

  private field(key: string, of: Body, how: ReadAs | undefined, depth: number): number {
    const value = of[key];
    switch (how) {
      case 'part':
        if (typeof value === 'string') {
          if (PROOFS.has(key) || (NAMES.has(key) && textOf(value, this.context).length <= LONGEST_NAME)) return 0;
          if (ENCRYPTED.has(key)) return Math.ceil(textOf(value, this.context).length * TOKENS_PER_BYTE);
        }
        if (!PART_WORDS.has(key)) break;
        return isScalar(value) ? 0 : this.value(value, 0, depth + 1);
      case 'schema':
        if (!SCHEMA_WORDS.has(key)) break;
        if (key === 'type' && isType(value)) return 0;
        if (key === 'required' && namesProperties(value, of.properties)) return 0;
        return isScalar(value) ? 0 : this.value(value, 1, depth + 1);
      case 'names':
        return this.value(value, 1, depth + 1);
      default:
        break;
    }
    return 1 + this.countKey(key) + this.value(value, 1, depth + 1);
  }

  private countText(text: string): number {
    this.units += text.length;
    return countUnnoted(text, this.context);
  }

  private countKey(key: string): number {
    this.units += key.length;
    return this.context.count(key);
  }
}

/** Values of one token whose key counts nothing. */
function isScalar(value: unknown): boolean {
  return typeof value === 'boolean' || typeof value === 'number' || value === null;
}

function isType(value: unknown): boolean {
  if (Array.isArray(value)) return value.length <= TYPES.size && value.every((each) => TYPES.has(String(each)));
  return typeof value === 'string' && TYPES.has(value);
}

/** Whether a list names each of the properties at most once. */
function namesProperties(value: unknown, properties: unknown): boolean {
  if (!Array.isArray(value) || typeof properties !== 'object' || properties === null) return false;
  return value.length <= Object.keys(properties).length && value.every((name) => Object.hasOwn(properties, String(name)));
}
