import type { EngineName } from '../common/capability.js';
import type { AllowedSpecial } from './bpe/special-tokens.js';
import type { EncodingName, TokenCounterEngine } from './engine/engine.js';
import { publishedRatios } from './estimates/published-ratios.js';
import { modelFacts, type ModelFacts } from './models.js';
import { ChatTemplate } from './prompt/chat-template.js';
import type { PackedTokenizer } from './tokenizers/packed-layout.js';

/** Properties of a counting model that do not follow from its name. */
export interface CountingModelParts {
  /** Instead of the encoding. */
  readonly tokenizer?: PackedTokenizer;
  /** Default: those of the name. */
  readonly facts?: ModelFacts;
  /** Whether it represents deployments with different tokenizers. */
  readonly isMixed?: boolean;
  /** Requirement of the given tokenizer, if it cannot be used. */
  readonly needed?: string | undefined;
}

/** Handles of an encoding by engine; -1: not loaded. */
type Handles = Record<EngineName, number>;

/** A model's facts, and the handle of its encoding in each engine. */
export class CountingModel {
  readonly facts: ModelFacts;
  /** Tokenizer data that the engines count with. */
  readonly encoding: EncodingName | PackedTokenizer;
  /** Of a loaded tokenizer with the template next to it. */
  readonly chatTemplate: ChatTemplate | undefined = undefined;
  /**
   * Whether it represents a model group whose deployments have different tokenizers, of which it is
   * the largest: counts are estimates, and answers teach nothing.
   */
  readonly isMixed: boolean;
  /** Whether published and learned ratios correct the model's counts. */
  readonly isCorrected: boolean;
  private readonly needed: string | undefined;
  /** Tokens of the roles of messages, counted once. */
  readonly roleTokens = new Map<string, number>();
  private readonly handles: Handles = { native: -1, typescript: -1 };
  /** For texts that are split at special tokens. */
  private readonly continued: Handles;
  private readonly continuedEncoding: EncodingName | PackedTokenizer;

  /** @param name The model by which it counts; corrections are learned under it */
  constructor(
    readonly name: string,
    { tokenizer, facts = modelFacts(name), isMixed = false, needed }: CountingModelParts = {},
  ) {
    const known = tokenizer === undefined ? facts : withTokenizer(facts);
    this.isMixed = isMixed;
    this.needed = needed;
    this.isCorrected = known.approximate;
    this.facts = isMixed ? { ...known, approximate: true } : known;
    this.encoding = tokenizer ?? facts.encoding;
    this.continuedEncoding = tokenizer?.continued ?? this.encoding;
    this.continued = tokenizer?.continued === undefined ? this.handles : { native: -1, typescript: -1 };
    if (tokenizer?.chatTemplate !== undefined) this.chatTemplate = new ChatTemplate(tokenizer.chatTemplate);
  }

  /** Whether a rule knows the name: how to count the model, or how far its estimate is off. */
  get isKnown(): boolean {
    const { approximate, family } = this.facts;
    return !approximate || family !== undefined || publishedRatios(this.name) !== undefined;
  }

  /** The name of the encoding or of the tokenizer. */
  get encodingName(): string {
    return typeof this.encoding === 'string' ? this.encoding : this.encoding.name;
  }

  /** How to make an estimate exact: the missing entry of `tokenCounter.tokenizers`. */
  get exactWith(): string | undefined {
    const { approximate, family } = this.facts;
    if (!approximate || this.isMixed) return undefined;
    if (this.needed !== undefined) return this.needed;
    if (family === undefined) return undefined;
    const { name, source } = family;
    const given = source?.startsWith('@') ? `{ package: '${source}' }` : `{ file }, the ${source}`;
    return `tokenCounter.tokenizers['${name}']: ${given}`;
  }

  /**
   * The handle of the encoding; the first call loads it. `allowed`: for the parts of a text that is
   * split at special tokens.
   */
  handle(engine: TokenCounterEngine, allowed?: AllowedSpecial): number {
    const handles = allowed === undefined ? this.handles : this.continued;
    const handle = handles[engine.engine];
    if (handle >= 0) return handle;
    return (handles[engine.engine] = engine.load(allowed === undefined ? this.encoding : this.continuedEncoding));
  }
}

function withTokenizer(facts: ModelFacts): ModelFacts {
  const chat = facts.family?.chat;
  return { ...facts, approximate: false, chat, isChatAssumed: chat === undefined };
}
