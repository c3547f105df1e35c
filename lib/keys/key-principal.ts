import { LARGEST_USD } from '../common/nano-usd.js';
import { MAY_CALL_ANY, type Principal, type PrincipalScope } from '../http/principal.js';
import type { RateLimits } from '../rate-limit/limits.js';
import { Wildcard } from '../router/selection/wildcard.js';
import type { ApiKeyRecord } from './api-key-record.js';
import { routeMatcher } from './allowed-routes.js';

/** The name that limits for single models count under. */
export const MODEL_LIMIT_NAME = 'models';

/** LiteLLM's names for any model; the team's list applies in addition. */
const ALL_MODELS = ['all-proxy-models', 'all-team-models'];

/** The sender of requests with a key. @param isRaised whether `raisedUsd` counts */
export function principalOf(record: ApiKeyRecord, isRaised = false): Principal {
  const { publicId, alias, user, team, organization, models, tags = [], priority, metadata = {} } = record;
  const { modelLimits, modelAliases, allowedRoutes, raisedUsd, softBudgetUsd } = record;
  const limits = isRaised ? raisedBy(record.limits, raisedUsd) : record.limits;
  const mayCall = models === undefined ? MAY_CALL_ANY : modelMatcher(models);
  const limitKey = `key:${publicId}`;
  const principal = {
    limitKey,
    keyId: publicId,
    alias,
    user,
    team,
    organization,
    limits,
    tags,
    priority,
    metadata,
    mayCall,
    isAdmin: false,
  };
  if ((modelLimits ?? modelAliases ?? allowedRoutes ?? softBudgetUsd) === undefined) return principal;
  return {
    ...principal,
    ...(modelLimits !== undefined && { modelScopes: modelScopesOf([{ key: limitKey, modelLimits }]) }),
    ...(softBudgetUsd !== undefined && { softBudgetUsd }),
    ...(modelAliases !== undefined && { modelAliases }),
    ...(allowedRoutes !== undefined && { mayRequest: routeMatcher(allowedRoutes) }),
  };
}

/** Limits whose budgets are higher. */
export function raisedBy(limits: RateLimits | undefined, usd = 0): RateLimits | undefined {
  if (limits === undefined) return undefined;
  const { usdPerWindow, usdTotal } = limits;
  const raised = (budget: number): number => Math.min(LARGEST_USD, budget + usd);
  return {
    ...limits,
    ...(usdPerWindow !== undefined && { usdPerWindow: raised(usdPerWindow) }),
    ...(usdTotal !== undefined && { usdTotal: raised(usdTotal) }),
  };
}

/** Whether a name is among names and patterns. */
export function modelMatcher(models: readonly string[]): (model: string) => boolean {
  const names = new Set(models.filter((model) => !model.includes('*')));
  const patterns = models.filter((model) => model.includes('*')).map((pattern) => new Wildcard(pattern));
  if (ALL_MODELS.some((name) => names.has(name))) return MAY_CALL_ANY;
  return (model) => names.has(model) || patterns.some((pattern) => pattern.capturesOf(model) !== null);
}

/** Limits for single models, and whose they are. */
export interface ModelLimitsOf {
  /** As in `PrincipalScope`: `key:…`, `team:…`. */
  readonly key: string;
  readonly modelLimits: Readonly<Record<string, RateLimits>>;
}

/** The scopes of a requested model. A pattern is one scope for all models that match it. */
export function modelScopesOf(owners: readonly ModelLimitsOf[]): (model: string) => readonly PrincipalScope[] {
  const limited = owners.flatMap(({ key, modelLimits }) =>
    Object.entries(modelLimits).map(([model, limits]) => ({
      matches: modelMatcher([model]),
      // A separate object, because guards cache compiled limits by it.
      scope: { name: MODEL_LIMIT_NAME, key: `${key}/model:${model}`, limits: { ...limits } },
    })),
  );
  return (model) => limited.filter(({ matches }) => matches(model)).map(({ scope }) => scope);
}
