import { InvalidArgumentError } from '../common/errors.js';
import { checkOneOf, refuseArgument } from '../common/options.js';
import { CountingModel } from './counting-model.js';
import { MAX_MODEL_NAME_LENGTH } from './models.js';
import { ENCODING_NAMES } from './engine/engine.js';

/** Names come from clients: a million different ones must not take more memory than this many. */
const MAX_REMEMBERED = 1000;

/** Remembers what was found out about model names, within bounds. */
export class ModelTable {
  private readonly models = new Map<string, CountingModel>();
  private readonly default: CountingModel;
  private lastName: string | undefined = undefined;
  private last: CountingModel;

  constructor(defaultModel: string) {
    this.default = new CountingModel(defaultModel);
    this.last = this.default;
  }

  /** `undefined` and `null` mean the default model. */
  get(name: string | null | undefined): CountingModel {
    // Most calls ask for the model of the call before.
    if (name === this.lastName) return this.last;
    this.last = this.find(name);
    this.lastName = name ?? undefined;
    return this.last;
  }

  /** @throws InvalidArgumentError for an encoding that is not known. */
  byEncoding(encoding: unknown): CountingModel {
    return this.get(checkOneOf('encoding', encoding, ENCODING_NAMES, refuseArgument));
  }

  private find(name: string | null | undefined): CountingModel {
    if (name === undefined || name === null) return this.default;
    if (typeof name !== 'string') throw new InvalidArgumentError('model', name, 'must be a string');
    const hit = this.models.get(name);
    if (hit !== undefined) return hit;
    if (this.models.size >= MAX_REMEMBERED) this.models.clear();
    // A long name is unknown whatever it is, and is not to be kept alive.
    if (name.length > MAX_MODEL_NAME_LENGTH) return this.get('');
    const model = new CountingModel(name);
    this.models.set(name, model);
    return model;
  }
}
