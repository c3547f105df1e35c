import { InvalidArgumentError } from '../common/errors.js';
import type { AllowedSpecial } from './bpe/special-tokens.js';
import { checkOneOf, refuseArgument } from '../common/options.js';
import { ENCODING_NAMES, type EncodingName, type TokenCounterEngine } from './engine/engine.js';
import { MAX_MODEL_NAME_LENGTH, modelFacts, type ModelFacts } from './models.js';
import type { PackedTokenizer } from './tokenizers/packed-layout.js';
import { ChatTemplate } from './prompt/chat-template.js';
import type { TokenizerLibrary } from './tokenizers/tokenizer-library.js';

/** A model's facts and the handle of its encoding in each engine. */
export class CountingModel {
  readonly facts: ModelFacts;
  /** What the engines count with. */
  readonly encoding: EncodingName | PackedTokenizer;
  /** Of a loaded tokenizer with the template beside it. */
  readonly chatTemplate: ChatTemplate | undefined = undefined;
  private readonly handles: HandleOf;
  /** For texts that are split at special tokens. */
  private readonly continued: HandleOf;

  constructor(
    readonly name: string,
    tokenizer?: PackedTokenizer,
  ) {
    const facts = modelFacts(name);
    this.facts = tokenizer === undefined ? facts : withTokenizer(facts);
    this.encoding = tokenizer ?? facts.encoding;
    this.handles = new HandleOf(this.encoding);
    this.continued = tokenizer?.continued === undefined ? this.handles : new HandleOf(tokenizer.continued);
    if (tokenizer?.chatTemplate !== undefined) this.chatTemplate = new ChatTemplate(tokenizer.chatTemplate);
  }

  /** The name of the encoding or of the tokenizer. */
  get encodingName(): string {
    return typeof this.encoding === 'string' ? this.encoding : this.encoding.name;
  }

  /** How to make an estimate exact: what the option `tokenCounter.tokenizers` lacks. */
  get exactWith(): string | undefined {
    const { approximate, family } = this.facts;
    if (!approximate || family === undefined) return undefined;
    const { name, source } = family;
    const given = source?.startsWith('@') ? `{ package: '${source}' }` : `{ file }, the ${source}`;
    return `tokenCounter.tokenizers['${name}']: ${given}`;
  }

  /**
   * The handle of the encoding; the first call loads it. `allowed`: for the parts of a text that is
   * split at special tokens.
   */
  handle(engine: TokenCounterEngine, allowed?: AllowedSpecial): number {
    return (allowed === undefined ? this.handles : this.continued).in(engine);
  }
}

/** The handle of an encoding in each engine. */
class HandleOf {
  private native = -1;
  private typescript = -1;

  constructor(private readonly encoding: EncodingName | PackedTokenizer) {}

  in(engine: TokenCounterEngine): number {
    if (engine.engine === 'native') return this.native >= 0 ? this.native : (this.native = engine.load(this.encoding));
    return this.typescript >= 0 ? this.typescript : (this.typescript = engine.load(this.encoding));
  }
}

function withTokenizer(facts: ModelFacts): ModelFacts {
  const chat = facts.family?.chat;
  return { ...facts, approximate: false, chat, isChatAssumed: chat === undefined };
}

/** Bound of the table: model names come from clients. */
const MAX_REMEMBERED = 1000;

/** Caches the facts of model names. */
export class ModelTable {
  private readonly models = new Map<string, CountingModel>();
  private default: CountingModel;
  private lastName: string | undefined = undefined;
  private last: CountingModel;

  constructor(
    private readonly defaultModel: string,
    private readonly tokenizers?: TokenizerLibrary,
    /** Hears of each model whose counts a tokenizer would make exact. */
    private readonly estimated?: (model: CountingModel) => void,
  ) {
    this.default = this.open(defaultModel);
    this.last = this.default;
  }

  /** Forgets all names, because other tokenizers are loaded. */
  clear(): void {
    this.models.clear();
    this.lastName = undefined;
    this.default = this.last = this.open(this.defaultModel);
  }

  /** The model of a name; the default model for `undefined` and `null`. */
  get(name: string | null | undefined): CountingModel {
    // Most calls use the model of the call before.
    if (name === this.lastName) return this.last;
    this.last = this.find(name);
    this.lastName = name ?? undefined;
    return this.last;
  }

  /** The models that were counted by their name, at most the last 1,000. */
  named(): CountingModel[] {
    return [...this.models.values()].filter(({ name }) => name !== '' && !(ENCODING_NAMES as readonly string[]).includes(name));
  }

  /** @throws InvalidArgumentError for an unknown encoding. */
  byEncoding(encoding: unknown): CountingModel {
    return this.get(checkOneOf('encoding', encoding, ENCODING_NAMES, refuseArgument));
  }

  private find(name: string | null | undefined): CountingModel {
    if (name === undefined || name === null) return this.default;
    if (typeof name !== 'string') throw new InvalidArgumentError('model', name, 'must be a string');
    const hit = this.models.get(name);
    if (hit !== undefined) return hit;
    if (this.models.size >= MAX_REMEMBERED) this.models.clear();
    // No known model has a name this long, so it is not cached.
    if (name.length > MAX_MODEL_NAME_LENGTH) return this.get('');
    const model = this.open(name);
    this.models.set(name, model);
    if (model.exactWith !== undefined) this.estimated?.(model);
    return model;
  }

  private open(name: string): CountingModel {
    return new CountingModel(name, this.tokenizers?.find(name));
  }
}
