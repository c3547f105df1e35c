import { InvalidArgumentError } from '../common/errors.js';
import { checkOneOf, refuseArgument } from '../common/options.js';
import { CountingModel } from './counting-model.js';
import { ENCODING_NAMES } from './engine/engine.js';
import { modelOfRoute } from './model-group.js';
import type { FindRoute, ModelRoute } from './model-routes.js';
import { MAX_MODEL_NAME_LENGTH } from './models.js';
import type { TokenizerLibrary } from './tokenizers/tokenizer-library.js';

/** Bound of the table: model names come from clients. */
const MAX_REMEMBERED = 1000;

/** Dependencies of a table of models. */
export interface ModelTableContext {
  readonly defaultModel: string;
  readonly tokenizers?: TokenizerLibrary;
  /** Hears of each model that is counted by an estimate, and of the model group that it is. */
  readonly opened?: (model: CountingModel, group: string | undefined) => void;
}

/**
 * Finds how a model is counted, by its name. For texts, a name means that model; for prompts, it
 * means the router's deployments of that name.
 */
export class ModelTable {
  private readonly ofTexts: NamedModels;
  /** Of names that requests have; the default model for `undefined` and `null`. */
  readonly ofPrompts: NamedModels;
  private route: FindRoute | undefined = undefined;

  constructor(private readonly context: ModelTableContext) {
    const { defaultModel } = context;
    this.ofTexts = new NamedModels(defaultModel, (name) => {
      const own = this.open(name);
      return own.isKnown ? own : (this.openGroup(name) ?? own);
    });
    this.ofPrompts = new NamedModels(defaultModel, (name) => this.openGroup(name) ?? this.open(name));
  }

  /** Names of `route` are counted by the models of their deployments from now on. */
  useRoutes(route: FindRoute): void {
    this.route = route;
    this.clear();
  }

  /** Forgets all names, because other tokenizers are loaded, or the deployments have changed. */
  clear(): void {
    this.ofTexts.clear();
    this.ofPrompts.clear();
  }

  /** The model of a name, for texts; the default model for `undefined` and `null`. */
  get(name: string | null | undefined): CountingModel {
    return this.ofTexts.get(name);
  }

  /** Where the router sends requests for a name. */
  routeOf(name: string): ModelRoute | undefined {
    return this.route?.(name);
  }

  /** The models that were counted, by the names that were asked for; at most the last 1,000. */
  named(): (readonly [asked: string, model: CountingModel])[] {
    const models = new Map([...this.ofTexts.entries(), ...this.ofPrompts.entries()]);
    return [...models].filter(([asked]) => asked !== '' && !(ENCODING_NAMES as readonly string[]).includes(asked));
  }

  /** @throws InvalidArgumentError for an unknown encoding. */
  byEncoding(encoding: unknown): CountingModel {
    return this.get(checkOneOf('encoding', encoding, ENCODING_NAMES, refuseArgument));
  }

  private open(name: string): CountingModel {
    const { tokenizers } = this.context;
    const model = new CountingModel(name, { tokenizer: tokenizers?.find(name), needed: tokenizers?.neededFor(name) });
    if (model.exactWith !== undefined) this.context.opened?.(model, undefined);
    return model;
  }

  private openGroup(asked: string): CountingModel | undefined {
    const { tokenizers, opened } = this.context;
    const route = this.routeOf(asked);
    if (route === undefined) return undefined;
    const tokenizer = tokenizers?.findNamed(asked) ?? tokenizers?.findNamed(route.group);
    const model = modelOfRoute(asked, route, { tokenizer, open: (name) => this.open(name) });
    if (model.isMixed) opened?.(model, route.group);
    return model;
  }
}

/** Caches models by name. */
class NamedModels {
  private readonly models = new Map<string, CountingModel>();
  private default: CountingModel | undefined = undefined;
  private lastName: string | undefined = undefined;
  private last: CountingModel | undefined = undefined;

  constructor(
    private readonly defaultModel: string,
    private readonly open: (name: string) => CountingModel,
  ) {}

  get(name: string | null | undefined): CountingModel {
    // Most calls use the model of the call before.
    if (name === this.lastName && this.last !== undefined) return this.last;
    this.last = this.find(name);
    this.lastName = name ?? undefined;
    return this.last;
  }

  entries(): Iterable<readonly [string, CountingModel]> {
    return this.models;
  }

  clear(): void {
    this.models.clear();
    this.default = this.last = this.lastName = undefined;
  }

  private find(name: string | null | undefined): CountingModel {
    if (name === undefined || name === null) return (this.default ??= this.open(this.defaultModel));
    if (typeof name !== 'string') throw new InvalidArgumentError('model', name, 'must be a string');
    const hit = this.models.get(name);
    if (hit !== undefined) return hit;
    if (this.models.size >= MAX_REMEMBERED) this.models.clear();
    // No known model has a name this long, so it is not cached.
    if (name.length > MAX_MODEL_NAME_LENGTH) return this.get('');
    const model = this.open(name);
    this.models.set(name, model);
    return model;
  }
}
