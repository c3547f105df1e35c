import { InvalidArgumentError } from '../common/errors.js';
import { checkOneOf, refuseArgument } from '../common/options.js';
import { ENCODING_NAMES, type TokenCounterEngine } from './engine/engine.js';
import { MAX_MODEL_NAME_LENGTH, modelFacts, type ModelFacts } from './models.js';

/** A model's facts and the handle of its encoding in each engine. */
export class CountingModel {
  readonly facts: ModelFacts;
  private native = -1;
  private typescript = -1;

  constructor(readonly name: string) {
    this.facts = modelFacts(name);
  }

  /** The handle of the encoding; the first call loads it. */
  handle(engine: TokenCounterEngine): number {
    if (engine.engine === 'native') return this.native >= 0 ? this.native : (this.native = engine.load(this.facts.encoding));
    return this.typescript >= 0 ? this.typescript : (this.typescript = engine.load(this.facts.encoding));
  }
}

/** Bound of the table: model names come from clients. */
const MAX_REMEMBERED = 1000;

/** Caches the facts of model names. */
export class ModelTable {
  private readonly models = new Map<string, CountingModel>();
  private readonly default: CountingModel;
  private lastName: string | undefined = undefined;
  private last: CountingModel;

  constructor(defaultModel: string) {
    this.default = new CountingModel(defaultModel);
    this.last = this.default;
  }

  /** The model of a name; the default model for `undefined` and `null`. */
  get(name: string | null | undefined): CountingModel {
    // Most calls use the model of the call before.
    if (name === this.lastName) return this.last;
    this.last = this.find(name);
    this.lastName = name ?? undefined;
    return this.last;
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
    const model = new CountingModel(name);
    this.models.set(name, model);
    return model;
  }
}
