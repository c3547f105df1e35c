import type { FinishReason } from './chat-chunks.js';

/** How a provider's chat differs from OpenAI's, as data for `request` and `answer`. */
export interface Dialect {
  /** Parameters by the provider's names: `{ seed: 'random_seed' }`. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** OpenAI's parameters that the provider has: it lacks all others. */
  readonly only?: ReadonlySet<string>;
  /** OpenAI's parameters that the provider lacks. */
  readonly lacks?: ReadonlySet<string>;
  /** OpenAI's parameters that are dropped without an error. */
  readonly ignores?: ReadonlySet<string>;
  /** Values by the provider's names: `{ tool_choice: { required: 'any' } }`. */
  readonly values?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** The values of a parameter that the provider accepts. Default: any. */
  readonly accepts?: Readonly<Record<string, readonly unknown[]>>;
  /** The least and the largest value of a parameter; others are moved to these. */
  readonly bounds?: Readonly<Record<string, readonly [least: number, most: number]>>;
  /** Differences that hold unless the effort is `none`. */
  readonly whileReasoning?: Pick<Dialect, 'lacks' | 'accepts'>;
  /** The effort of a request that states none. */
  readonly defaultEffort?: string;
  /** Whether thinking is only switched on and off: `thinking: { type: 'enabled' }`. */
  readonly switchesThinking?: true;
  /** A message for the model instead of `tool_choice: 'required'`. */
  readonly requiredTool?: string;
  readonly messages?: MessageRules;
  readonly tools?: ToolRules;
  /** Absent: answers pass as bytes. */
  readonly answers?: AnswerRules;
  /** Dialects of some models instead of this one; the first match decides. */
  readonly models?: readonly ModelDialect[];
}

/** @see Dialect.models */
export interface ModelDialect {
  readonly matches: RegExp;
  readonly dialect: Dialect;
}

/** How messages differ. */
export interface MessageRules {
  /** Roles by the provider's names. */
  readonly roles?: Readonly<Record<string, string>>;
  /** Roles whose messages may have a `name`. Default: all. */
  readonly named?: readonly string[];
  /** Roles whose content is a string: a list of texts is joined. */
  readonly strings?: readonly string[];
  /** Fields that no message has. */
  readonly lacks?: readonly string[];
  /** Ids of tool calls that the provider takes; others become hashes. Default: of 40 characters. */
  readonly callIds?: CallIds;
  /** Whether fields that are `null` are removed. */
  readonly dropsNulls?: true;
  /** Whether messages of the assistant without content and calls are removed. */
  readonly dropsEmpty?: true;
  /** Whether the assistant has to answer results of tools before the user speaks. */
  readonly answersTools?: true;
  /** Whether marks for the prompt cache (`cache_control`) are kept, or for which models. */
  readonly cacheMarks?: true | RegExp;
  /** Whether the text of thinking goes back as a part of the content. */
  readonly replaysThinking?: true;
  /** Messages of the assistant that need `reasoning_content`. */
  readonly needsReasoning?: 'when thinking' | 'with tool calls';
}

/** @see MessageRules.callIds */
export interface CallIds {
  readonly matches: RegExp;
  /** Of a hash, in hexadecimal digits. */
  readonly length: number;
}

/** How tools differ. */
export interface ToolRules {
  /** Whether `strict` is removed. */
  readonly lacksStrict?: true;
  /** Keys that are removed from schemas, at any depth. */
  readonly schemaLacks?: readonly string[];
  /** Whether tools other than functions are removed. */
  readonly functionsOnly?: true;
}

/** How answers differ. Missing indexes, ids and finish reasons of tool calls are always written. */
export interface AnswerRules {
  /** Finish reasons by OpenAI's names. */
  readonly finish?: Readonly<Record<string, FinishReason>>;
  /** Whether the text of thinking is in `reasoning`. */
  readonly reasoning?: true;
  /** Whether content may be a list of texts and thinking. */
  readonly parts?: true;
  /** Whether `completion_tokens` omits the tokens of reasoning. */
  readonly reasoningApart?: true;
  /** Whether a stream's usage is in events with content. */
  readonly usageInContent?: true;
}
