import type { ProviderFailureKind } from '../../common/provider-error.js';
import { refuseArgument } from '../../common/options.js';
import { fallbacksIn, type FallbackKind, readFallbacks, type Fallbacks, type FallbackTable } from '../../router/fallback-order.js';
import type { Alternatives, Call, CallTarget } from '../call.js';
import type { CallRouter, FallbackTarget } from '../call-router.js';
import { Failure } from '../failure.js';
import type { CallLayer } from './layer.js';

/**
 * Tries the next model group when one fails. The order is LiteLLM's: the group's own list for the
 * kind of failure, then the general one, then `*`; each group once. A target that changes the
 * request has its prompt counted again. The first failure is the one that the client gets.
 */
export function fallbacks(router: CallRouter): CallLayer {
  return (next) => async (view) => {
    const { call } = view;
    let plan: FallbackPlan | undefined;
    const planned = (): FallbackPlan => (plan ??= new FallbackPlan(router, call));
    call.alternatives = planned;
    for (let at = view; ;) {
      const outcome = await next(at);
      if (!(outcome instanceof Failure)) return outcome;
      const target = await planned().next(at.target, outcome);
      if (target === undefined) return planned().firstFailure;
      at = view.with({ target });
    }
  };
}

const NONE: readonly FallbackTarget[] = [];

/** The fallbacks of one failed model group. */
interface Level {
  /** Those that were not tried yet. */
  readonly targets: FallbackTarget[];
  overrides: CallTarget['overrides'];
  inputTokens: number | undefined;
}

/**
 * The model groups to try after a failure: the fallbacks, then the remaining ones of earlier
 * groups.
 */
export class FallbackPlan implements Alternatives {
  firstFailure: Failure | undefined = undefined;
  private readonly levels: Level[] = [];
  /** Model groups by name; fallbacks that change the request by themselves. */
  private readonly tried = new Set<string | object>();
  private readonly own: Readonly<Record<FallbackKind, FallbackTable | undefined>>;

  constructor(
    private readonly router: CallRouter,
    private readonly call: Call,
  ) {
    const { fallbacks, contextWindowFallbacks, contentPolicyFallbacks } = call.options;
    this.own = {
      general: tableOf('fallbacks', fallbacks),
      context_window: tableOf('contextWindowFallbacks', contextWindowFallbacks),
      content_policy: tableOf('contentPolicyFallbacks', contentPolicyFallbacks),
    };
  }

  /** The next target after one that failed; `undefined`: none is left. Each is tried once. */
  async next(failed: CallTarget, failure: Failure): Promise<CallTarget | undefined> {
    const { router, call, levels, tried } = this;
    this.firstFailure ??= failure;
    if (failure.isUnsent && !call.mayFallBackFromBudget) return undefined;
    tried.add(router.knownName(failed.model));
    if (levels.length < call.maxFallbacks) {
      const { overrides, inputTokens } = failed;
      levels.push({ targets: [...this.fallbacks(failed.model, failure.reason?.kind)], overrides, inputTokens });
    }
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const target = level.targets.shift();
      if (target === undefined) {
        levels.pop();
        continue;
      }
      const identity = this.identityOf(target);
      if (tried.has(identity)) continue;
      if (call.isSpent) return undefined;
      tried.add(identity);
      call.fallbacks++;
      if (target.overrides !== undefined) {
        // As in LiteLLM, the changes of a fallback also apply to the fallbacks after it.
        level.overrides = { ...level.overrides, ...target.overrides };
        level.inputTokens = await call.countChanged(level.overrides);
      }
      return { model: target.model, overrides: level.overrides, inputTokens: level.inputTokens };
    }
    return undefined;
  }

  /** Whether a target is left for a group whose deployments are at their limits. */
  hasNext(group: string): boolean {
    return this.untried(group).length > 0;
  }

  /** Whether one of these targets has a deployment that is not in cooldown. */
  hasHealthy(group: string): boolean {
    const { call, router } = this;
    return this.untried(group).some(({ model }) => router.healthyCount(model, call.context) > 0);
  }

  private untried(group: string): readonly FallbackTarget[] {
    const { call, levels, router, tried } = this;
    if (call.isSpent) return NONE;
    const own = levels.length < call.maxFallbacks ? this.fallbacks(group, 'rate_limit') : NONE;
    const known = router.knownName(group);
    return [...own, ...levels.flatMap(({ targets }) => targets)].filter((target) => {
      const identity = this.identityOf(target);
      return identity !== known && !tried.has(identity);
    });
  }

  /** A model group counts once, by its name; a target that changes the request for itself. */
  private identityOf({ model, overrides }: FallbackTarget): string | object {
    return overrides ?? this.router.knownName(model);
  }

  /**
   * As LiteLLM looks them up. Context window: the group's own chain for it, else the general ones.
   * Content policy: a list in the request, else the chains for it if any group has one, else the
   * general ones.
   */
  private fallbacks(group: string, kind: ProviderFailureKind | undefined): readonly FallbackTarget[] {
    const { call, own, router } = this;
    if (kind === 'context_window') {
      const chain = this.chain(group, kind);
      if (chain.length > 0) return chain;
    } else if (kind === 'content_policy' && !isList(call.options.fallbacks)) {
      const table = own[kind] ?? router.settings.fallbacks[kind];
      if (table.size > 0) return this.chain(group, kind);
    }
    return this.chain(group, 'general');
  }

  private chain(group: string, kind: FallbackKind): readonly FallbackTarget[] {
    return chainIn(this.own[kind], this.router, { group, kind, asked: this.call.asked.model });
  }
}

/** Whether the priority tiers after one that failed so are tried before the fallbacks. */
export function allowsNextTier(router: CallRouter, { options }: Call, group: string, { reason }: Failure): boolean {
  if (reason?.kind === 'content_policy' || options.disableFallbacks === true) return false;
  if (reason?.kind !== 'context_window') return true;
  const own = tableOf('contextWindowFallbacks', options.contextWindowFallbacks);
  return chainIn(own, router, { group, kind: 'context_window', asked: group }).length === 0;
}

/** Where a chain is looked up. */
interface Lookup {
  readonly group: string;
  readonly kind: FallbackKind;
  /** The group that the client asked for. */
  readonly asked: string;
}

/** The chain of the group, else of the group asked for, else of `*`. */
function chainIn(own: FallbackTable | undefined, router: CallRouter, { group, kind, asked }: Lookup): readonly FallbackTarget[] {
  if (own === undefined) return router.fallbacksOf(group, kind, asked);
  const groups = asked === group ? [group] : [group, asked];
  return fallbacksIn(
    own,
    groups.flatMap((name) => [name, router.knownName(name)]),
  );
}

function tableOf(path: string, fallbacks: Fallbacks | null | undefined): FallbackTable | undefined {
  return fallbacks === undefined || fallbacks === null ? undefined : readFallbacks(path, fallbacks, refuseArgument);
}

/** Whether these are names or targets for every model group, and not chains. */
function isList(fallbacks: Fallbacks | null | undefined): boolean {
  if (!Array.isArray(fallbacks) || fallbacks.length === 0) return false;
  const [first] = fallbacks as unknown[];
  return typeof first === 'string' || typeof (first as { readonly model?: unknown }).model === 'string';
}
