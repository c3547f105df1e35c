import { InvalidConfigurationError } from '../../common/errors.js';
import { refuseArgument } from '../../common/options.js';
import { findingsMessage, listed } from '../deployments/callability.js';
import { Deployment, type ModelListEntry } from '../deployments/deployment.js';
import { ListReading, paramsMessage } from './list-reading.js';
import { readEntry, readModelList, type ModelFacts, type ReadingContext } from './model-list.js';
import type { ResolvedRouterSettings } from '../settings.js';

/**
 * Reads deployments under the settings of a router, at boot and later, and reports unknown options
 * once.
 */
export class DeploymentList {
  private readonly heard = new Set<string>();
  private readonly heardParams = new Set<string>();

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
   * @throws what the context's `refuse` makes, naming the entry and key.
   * @throws InvalidConfigurationError with `strict`, naming every deployment that cannot be called.
   */
  readAll(list: readonly unknown[], settings: ResolvedRouterSettings): readonly Deployment[] {
    const { deployments, reading } = readModelList(list, this.contextOf(settings));
    this.tell(reading, deployments.length);
    return deployments;
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
    const updated = this.readOne(entry, others, settings);
    return deployments.map((deployment) => (deployment === known ? updated : deployment));
  }

  /** Reads the same deployments under other settings. */
  reread(deployments: readonly Deployment[], settings: ResolvedRouterSettings): readonly Deployment[] {
    const context = { ...this.contextOf(settings), refuse: refuseArgument };
    return deployments.map(
      (known) => new Deployment({ ...readEntry('deployment', known.source, context, new ListReading()), id: known.id }),
    );
  }

  report(warnings: Iterable<string>): void {
    for (const warning of warnings) {
      if (this.heard.has(warning)) continue;
      this.heard.add(warning);
      this.warn(`Router: ${warning}`);
    }
  }

  private readOne(entry: unknown, others: readonly Deployment[], settings: ResolvedRouterSettings): Deployment {
    const reading = new ListReading(new Set(others.map(({ id }) => id)));
    const context = { ...this.contextOf(settings), refuse: refuseArgument };
    const deployment = new Deployment(readEntry('deployment', entry, context, reading));
    this.tell(reading, 1);
    return deployment;
  }

  /** Reports one message per kind of finding, however many deployments it is about. */
  private tell({ warnings, findings, notes, sent, ignored }: ListReading, deployments: number): void {
    const found = findings.length === 0 ? undefined : findingsMessage(findings, deployments);
    if (found !== undefined && this.strict) throw new InvalidConfigurationError(this.reading.path, found);
    const params = paramsMessage(this.unheard(sent), this.unheard(ignored));
    const noted = notes.length === 0 ? undefined : listed('deployments called without a key', notes);
    this.report([...warnings, ...[params, noted, found].filter((message) => message !== undefined)]);
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

function withoutWindows(facts: ModelFacts): ModelFacts {
  return { costPerToken: facts.costPerToken?.bind(facts), pricesOf: facts.pricesOf?.bind(facts) };
}
