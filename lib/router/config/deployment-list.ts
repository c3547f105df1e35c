import { InvalidConfigurationError } from '../../common/errors.js';
import { refuseArgument, refuseOption } from '../../common/options.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { findingsMessage, listed } from '../deployments/callability.js';
import { Deployment, type ModelListEntry } from '../deployments/deployment.js';
import { ListReading, paramsMessage } from './list-reading.js';
import { readEntry, readModelList, type ModelFacts, type ReadingContext } from './model-list.js';
import type { ResolvedRouterSettings } from '../settings.js';

/** The lists that a router's deployments come from. */
export interface DeploymentSources {
  /** Of the file, and of the app's options. */
  readonly modelList: readonly unknown[];
  /**
   * Entries that the admin API has stored. They resolve no variables of the environment, and an
   * invalid one is omitted.
   */
  readonly stored?: readonly ModelListEntry[];
}

/** A stored entry that cannot be used. */
export interface LeftOutEntry {
  readonly entry: ModelListEntry;
  readonly error: Error;
}

/** Deployments that were read, and what there is to report about them. */
interface ReadDeployments {
  readonly deployments: readonly Deployment[];
  readonly messages: readonly string[];
  /** The id of each entry of `modelList`; `undefined` for one that is omitted. */
  readonly listedIds: readonly (string | undefined)[];
  /** The stored entries in use, by id. */
  readonly stored: ReadonlyMap<string, ModelListEntry>;
  readonly leftOut: readonly LeftOutEntry[];
}

const NO_ENVIRONMENT = {};
const NONE_STORED: ReadonlyMap<string, ModelListEntry> = new Map();

/** A deployment that was read but not added, with the warnings about it. */
export interface CheckedDeployment {
  readonly deployment: Deployment;
  readonly warnings: readonly string[];
}

/**
 * Reads deployments under the settings of a router, at boot and later, and reports unknown options
 * once.
 */
export class DeploymentList {
  private readonly heard = new Set<string>();
  private readonly heardParams = new Set<string>();
  /** Warnings of the list that this one replaces: they are not logged again. */
  private logged: ReadonlySet<string> = new Set();
  private stored: ReadonlyMap<string, ModelListEntry> = NONE_STORED;

  /** @param strict whether a deployment that cannot be called is an error */
  constructor(
    private readonly reading: ReadingContext,
    private readonly warn: (message: string) => void,
    private readonly strict = false,
  ) {}

  /** All warnings so far. */
  get warnings(): readonly string[] {
    return [...this.heard];
  }

  /**
   * Reads all deployments, and reports nothing yet.
   * @throws the error of the context's `refuse`, naming the entry and key.
   * @throws InvalidConfigurationError with `strict`, naming every deployment that cannot be called.
   */
  read({ modelList, stored = [] }: DeploymentSources, settings: ResolvedRouterSettings): ReadDeployments {
    const context = this.contextOf(settings);
    const { deployments, ids: listedIds, reading } = readModelList(modelList, context);
    const messages = this.messagesOf(reading, deployments.length);
    if (stored.length === 0) return { deployments, messages, listedIds, stored: NONE_STORED, leftOut: [] };
    const leftOut: LeftOutEntry[] = [];
    const used = new Map<string, ModelListEntry>();
    const all = [...deployments];
    const ofStored = new ListReading(reading.ids);
    for (const entry of stored) {
      const path = `stored model ${nameOf(entry)}`;
      try {
        const read = readEntry(path, entry, { ...context, env: NO_ENVIRONMENT, refuse: refuseOption }, ofStored);
        all.push(new Deployment(read));
        used.set(read.id, entry);
      } catch (error) {
        leftOut.push({ entry, error: error as Error });
      }
    }
    this.stored = used;
    const found = this.messagesOf(ofStored, stored.length, false);
    return { deployments: all, messages: [...messages, ...found], listedIds, stored: used, leftOut };
  }

  /** Omits warnings that the previous list has logged. */
  replaces(before: DeploymentList): void {
    this.logged = before.heard;
  }

  /** @throws InvalidArgumentError naming the key. */
  added(deployments: readonly Deployment[], entry: unknown, settings: ResolvedRouterSettings): readonly Deployment[] {
    return [...deployments, this.readOne(entry, deployments, settings)];
  }

  /**
   * Returns the deployments with the given keys of one changed; `undefined` when there is no such
   * deployment.
   * @throws InvalidArgumentError naming the key.
   */
  updated(
    deployments: readonly Deployment[],
    id: string,
    change: Partial<ModelListEntry>,
    settings: ResolvedRouterSettings,
  ): readonly Deployment[] | undefined {
    const known = deployments.find((deployment) => deployment.id === id);
    if (known === undefined) return undefined;
    const { source } = known;
    const entry: ModelListEntry = {
      ...source,
      ...change,
      litellm_params: { ...source.litellm_params, ...change.litellm_params },
      model_info: { ...source.model_info, ...change.model_info, id },
    };
    const others = deployments.filter((deployment) => deployment !== known);
    const updated = this.readOne(entry, others, settings, this.envOf(id));
    return deployments.map((deployment) => (deployment === known ? updated : deployment));
  }

  /**
   * Reads a stored entry, without reporting anything.
   * @throws InvalidArgumentError naming the key.
   */
  checked(entry: unknown, others: readonly Deployment[], settings: ResolvedRouterSettings): CheckedDeployment {
    const reading = new ListReading(new Set(others.map(({ id }) => id)));
    const context = { ...this.contextOf(settings), env: NO_ENVIRONMENT, refuse: refuseArgument };
    const deployment = new Deployment(readEntry('', entry, context, reading));
    const { warnings, notes, sent, ignored } = reading;
    const params = paramsMessage([...sent], [...ignored]);
    return { deployment, warnings: [...warnings, ...notes, ...(params === undefined ? [] : [params])] };
  }

  /** Reads the same deployments under other settings. */
  reread(deployments: readonly Deployment[], settings: ResolvedRouterSettings): readonly Deployment[] {
    const context = { ...this.contextOf(settings), refuse: refuseArgument };
    return deployments.map(({ id, source }) => {
      const entry = readEntry('deployment', source, { ...context, env: this.envOf(id) }, new ListReading());
      return new Deployment({ ...entry, id });
    });
  }

  report(warnings: Iterable<string>): void {
    for (const warning of warnings) {
      if (this.heard.has(warning)) continue;
      this.heard.add(warning);
      if (!this.logged.has(warning)) this.warn(`Router: ${warning}`);
    }
  }

  private envOf(id: string): Environment {
    return this.stored.has(id) ? NO_ENVIRONMENT : this.reading.env;
  }

  private readOne(
    entry: unknown,
    others: readonly Deployment[],
    settings: ResolvedRouterSettings,
    env: Environment = this.reading.env,
  ): Deployment {
    const reading = new ListReading(new Set(others.map(({ id }) => id)));
    const context = { ...this.contextOf(settings), env, refuse: refuseArgument };
    const deployment = new Deployment(readEntry('deployment', entry, context, reading));
    this.report(this.messagesOf(reading, 1));
    return deployment;
  }

  /** One message per kind of finding, however many deployments it is about. */
  private messagesOf({ warnings, findings, notes, sent, ignored }: ListReading, deployments: number, strict = this.strict): string[] {
    const found = findings.length === 0 ? undefined : findingsMessage(findings, deployments);
    if (found !== undefined && strict) throw new InvalidConfigurationError(this.reading.path, found);
    const params = paramsMessage(this.unheard(sent), this.unheard(ignored));
    const noted = notes.length === 0 ? undefined : listed('deployments called without a key', notes);
    return [...warnings, ...[params, noted, found].filter((message) => message !== undefined)];
  }

  private unheard(params: ReadonlySet<string>): readonly string[] {
    const fresh = [...params].filter((param) => !this.heardParams.has(param));
    for (const param of fresh) this.heardParams.add(param);
    return fresh;
  }

  private contextOf({ defaultMaxParallelRequests, ignoreInvalidDeployments, enablePreCallChecks }: ResolvedRouterSettings): ReadingContext {
    const { modelFacts } = this.reading;
    return {
      ...this.reading,
      defaultMaxParallelRequests,
      ignoreInvalid: ignoreInvalidDeployments,
      checksWindows: enablePreCallChecks !== false,
      modelFacts: enablePreCallChecks === true || modelFacts === undefined ? modelFacts : withoutWindows(modelFacts),
    };
  }
}

/** The id or name of a stored entry, for errors. */
function nameOf({ model_info: info, model_name: name }: ModelListEntry): string {
  const id = info?.id;
  return typeof id === 'string' && id !== '' ? id : name;
}

function withoutWindows(facts: ModelFacts): ModelFacts {
  return { costPerToken: facts.costPerToken?.bind(facts), pricesOf: facts.pricesOf?.bind(facts) };
}
