import { InvalidArgumentError } from './common/errors.js';
import type { AccelerationService } from './acceleration/acceleration.service.js';
import type { ConnectionPoolOptions } from './connection-pool/connection-pool.options.js';
import type { ConnectionPoolService } from './connection-pool/connection-pool.service.js';
import { DEFAULT_POOL_NAME, SimpleConnectionPool as ConnectionPoolFacade } from './connection-pool/compat/simple-connection-pool.js';
import { FastLiteLLM, type FastLiteLLMHealth } from './fast-litellm.js';
import type { FeatureStatus } from './feature-flags/feature-flag.js';
import type { FeatureName } from './feature-flags/feature-flags.options.js';
import { FastThrottlerStorage as ThrottlerStorageFacade } from './rate-limit/compat/fast-throttler-storage.js';
import type { PerformanceMonitorService } from './monitor/performance-monitor.service.js';
import type { RateLimiterService } from './rate-limit/rate-limit.service.js';
import { DEFAULT_REQUESTS_PER_MINUTE, SimpleRateLimiter as RateLimiterFacade } from './rate-limit/compat/simple-rate-limiter.js';
import { AdvancedRouter as RouterFacade, availableIn, DEFAULT_STRATEGY } from './router/compat/advanced-router.js';
import type { ModelListEntry } from './router/deployments/deployment.js';
import type { LiteLLMRouterSettings } from './router/config/litellm-router-settings.js';
import type { RouterSettings } from './router/settings.js';
import type { RoutingContext } from './router/routing-context.js';
import { DEFAULT_MODEL_MAX_TOKENS, SimpleTokenCounter as TokenCounterFacade } from './token-counter/compat/simple-token-counter.js';
import type { TokenCounterService } from './token-counter/token-counter.service.js';

let instance: FastLiteLLM | undefined;

/**
 * The process-wide instance that these functions use. The first call creates it, with the
 * environment and without options.
 */
function processWide(): FastLiteLLM {
  return (instance ??= new FastLiteLLM());
}

/** `FeatureFlagsService.isEnabled` of the process-wide instance. */
export function isEnabled(feature: FeatureName, requestId?: string): boolean {
  return processWide().featureFlags.isEnabled(feature, requestId);
}

/** `FeatureFlagsService.getFeatureStatus` of the process-wide instance. */
export function getFeatureStatus(): Record<FeatureName, FeatureStatus> {
  return processWide().featureFlags.getFeatureStatus();
}

/** `FeatureFlagsService.resetErrors` of the process-wide instance. */
export function resetErrors(feature?: FeatureName | null): void {
  processWide().featureFlags.resetErrors(feature);
}

/** `AccelerationService.apply` of the process-wide instance. */
export const applyAcceleration: AccelerationService['apply'] = (...args) => processWide().acceleration.apply(...args);

/** `AccelerationService.remove` of the process-wide instance. */
export const removeAcceleration: AccelerationService['remove'] = () => processWide().acceleration.remove();

/** `AccelerationService.status` of the process-wide instance. */
export const getPatchStatus: AccelerationService['status'] = () => processWide().acceleration.status();

/** `FastLiteLLM.healthCheck` of the process-wide instance. */
export function healthCheck(): FastLiteLLMHealth {
  return processWide().healthCheck();
}

/** `FastLiteLLM.healthCheckAsync` of the process-wide instance. */
export function healthCheckAsync(): Promise<FastLiteLLMHealth> {
  return processWide().healthCheckAsync();
}

/** `TokenCounterService.countTokens` of the process-wide instance. */
export const countTokens: TokenCounterService['countTokens'] = (...args) => processWide().tokenCounter.countTokens(...args);

/** `TokenCounterService.countTokensBatch` of the process-wide instance. */
export const countTokensBatch: TokenCounterService['countTokensBatch'] = (...args) => processWide().tokenCounter.countTokensBatch(...args);

/** `TokenCounterService.countTokensBatchAsync` of the process-wide instance. */
export const countTokensBatchAsync: TokenCounterService['countTokensBatchAsync'] = (...args) =>
  processWide().tokenCounter.countTokensBatchAsync(...args);

/** `TokenCounterService.countMessages` of the process-wide instance. */
export const countMessages: TokenCounterService['countMessages'] = (...args) => processWide().tokenCounter.countMessages(...args);

/** `TokenCounterService.countRequest` of the process-wide instance. */
export const countRequest: TokenCounterService['countRequest'] = (...args) => processWide().tokenCounter.countRequest(...args);

/** `TokenCounterService.encode` of the process-wide instance. */
export const encode: TokenCounterService['encode'] = (...args) => processWide().tokenCounter.encode(...args);

/** `TokenCounterService.decode` of the process-wide instance. */
export const decode: TokenCounterService['decode'] = (...args) => processWide().tokenCounter.decode(...args);

/** `TokenCounterService.isWithinTokenLimit` of the process-wide instance. */
export const isWithinTokenLimit: TokenCounterService['isWithinTokenLimit'] = (...args) =>
  processWide().tokenCounter.isWithinTokenLimit(...args);

/** `TokenCounterService.truncate` of the process-wide instance. */
export const truncate: TokenCounterService['truncate'] = (...args) => processWide().tokenCounter.truncate(...args);

/** `TokenCounterService.trimMessages` of the process-wide instance. */
export const trimMessages: TokenCounterService['trimMessages'] = (...args) => processWide().tokenCounter.trimMessages(...args);

/** `TokenCounterService.estimateCost` of the process-wide instance. */
export const estimateCost: TokenCounterService['estimateCost'] = (...args) => processWide().tokenCounter.estimateCost(...args);

/** `TokenCounterService.getModelLimits` of the process-wide instance. */
export const getModelLimits: TokenCounterService['getModelLimits'] = (...args) => processWide().tokenCounter.getModelLimits(...args);

/**
 * `RateLimiterService.check` of the process-wide instance. Default limits: 10 requests a second,
 * 600 a minute, 10,000 an hour.
 */
export const checkRateLimit: RateLimiterService['check'] = (...args) => processWide().rateLimiter.check(...args);

/** `RateLimiterService.getStats` of the process-wide instance. */
export const getRateLimitStats: RateLimiterService['getStats'] = (...args) => processWide().rateLimiter.getStats(...args);

/**
 * Selects an entry of a model list in LiteLLM's format: the caller's own object, or `null` if no
 * entry is eligible. A list is read on first use and when its length changes; after other changes
 * in place, call `refreshModelList`.
 *
 * @param blockedModels Excluded ids, models of deployments (`azure/gpt-4`) or names of groups.
 * @param settings Router settings, by their names here or LiteLLM's. Reuse the object: a list is
 * read once for each.
 * @throws InvalidArgumentError naming the entry and key.
 */
export function getAvailableDeployment(
  modelList: readonly ModelListEntry[],
  model: string,
  blockedModels?: readonly string[] | null,
  context?: RoutingContext | null,
  settings?: RouterSettings | LiteLLMRouterSettings | null,
): ModelListEntry | null {
  return availableIn(processWide().listRouters.of(modelList, settings ?? undefined), model, blockedModels, context);
}

/** Reads a list of `getAvailableDeployment` again after a change in place. */
export function refreshModelList(modelList: readonly ModelListEntry[], settings?: RouterSettings | LiteLLMRouterSettings | null): void {
  processWide().listRouters.refresh(modelList, settings ?? undefined);
}

/** `PerformanceMonitorService.recordPerformance` of the process-wide instance. */
export const recordPerformance: PerformanceMonitorService['recordPerformance'] = (...args) =>
  processWide().monitor.recordPerformance(...args);

/** `PerformanceMonitorService.getPerformanceStats` of the process-wide instance. */
export const getPerformanceStats: PerformanceMonitorService['getPerformanceStats'] = (...args) =>
  processWide().monitor.getPerformanceStats(...args);

/** `PerformanceMonitorService.compareImplementations` of the process-wide instance. */
export const compareImplementations: PerformanceMonitorService['compareImplementations'] = (...args) =>
  processWide().monitor.compareImplementations(...args);

/** `PerformanceMonitorService.compareImplementationsAsync` of the process-wide instance. */
export const compareImplementationsAsync: PerformanceMonitorService['compareImplementationsAsync'] = (...args) =>
  processWide().monitor.compareImplementationsAsync(...args);

/** `PerformanceMonitorService.getRecommendations` of the process-wide instance. */
export const getRecommendations: PerformanceMonitorService['getRecommendations'] = () => processWide().monitor.getRecommendations();

/** `PerformanceMonitorService.exportPerformanceData` of the process-wide instance. */
export const exportPerformanceData: PerformanceMonitorService['exportPerformanceData'] = (...args) =>
  processWide().monitor.exportPerformanceData(...args);
/**
 * `ConnectionPoolService.getConnection` of the process-wide instance, with at most 10 connections
 * to an endpoint and 100 in total.
 */
export const getConnection: ConnectionPoolService['getConnection'] = (...args) => processWide().connectionPool.getConnection(...args);

/** `ConnectionPoolService.returnConnection` of the process-wide instance. */
export const returnConnection: ConnectionPoolService['returnConnection'] = (...args) =>
  processWide().connectionPool.returnConnection(...args);

/** `ConnectionPoolService.removeConnection` of the process-wide instance. */
export const removeConnection: ConnectionPoolService['removeConnection'] = (...args) =>
  processWide().connectionPool.removeConnection(...args);

/** `ConnectionPoolService.healthCheck` of the process-wide instance. */
export const healthCheckConnection: ConnectionPoolService['healthCheck'] = (...args) => processWide().connectionPool.healthCheck(...args);

/** `ConnectionPoolService.cleanup` of the process-wide instance. */
export const cleanupExpiredConnections: ConnectionPoolService['cleanup'] = () => processWide().connectionPool.cleanup();

/** `ConnectionPoolService.stats` of the process-wide instance. */
export const getConnectionPoolStats: ConnectionPoolService['stats'] = () => processWide().connectionPool.stats();

/**
 * `SimpleRateLimiter` of the Python package: one limit, its own counters, in memory.
 *
 * @example
 * const limiter = new SimpleRateLimiter(60);
 * limiter.check('user_123'); // { allowed: true, remainingRequests: 5, … }
 */
export class SimpleRateLimiter extends RateLimiterFacade {
  /**
   * @param requestsPerMinute Default 60. Also sets a token bucket (burst: a tenth, at least 5) and
   * 60 times as many an hour.
   */
  constructor(requestsPerMinute: number = DEFAULT_REQUESTS_PER_MINUTE) {
    super(requestsPerMinute, (limits) => processWide().rateLimiterUnder(limits));
  }
}

/**
 * `SimpleConnectionPool` of the Python package. Two instances with the same name share one pool.
 *
 * @example
 * const pool = new SimpleConnectionPool('providers');
 * const id = pool.getConnection('https://api.openai.com');
 */
export class SimpleConnectionPool extends ConnectionPoolFacade {
  /**
   * @param poolName Default `default`.
   * @param options Those of `connectionPool`. Only the first pool with a name uses them.
   */
  constructor(poolName: string = DEFAULT_POOL_NAME, options?: ConnectionPoolOptions) {
    super(poolName, () => processWide().connectionPoolUnder(options, poolName));
  }
}

/**
 * A storage for `@nestjs/throttler` 6 that counts in sliding windows.
 *
 * @example
 * ThrottlerModule.forRoot({ throttlers: [{ ttl: 60_000, limit: 60 }], storage: new FastThrottlerStorage() })
 */
export class FastThrottlerStorage extends ThrottlerStorageFacade {
  /**
   * @param limiter Service whose store is used, for example Redis. Default: in memory, with its own
   * counters.
   */
  constructor(limiter?: RateLimiterService) {
    let own = limiter;
    // A store or options passed by mistake would not fail before the first request.
    if (limiter !== undefined && typeof limiter?.decide !== 'function')
      throw new InvalidArgumentError('limiter', limiter, 'must be a RateLimiterService');
    super(() => (own ??= processWide().rateLimiterUnder({})));
  }
}

/**
 * `SimpleTokenCounter` of the Python package, on the process-wide instance.
 *
 * @example
 * const counter = new SimpleTokenCounter(4096);
 * counter.countTokens('Hello world', 'gpt-4'); // 2
 */
export class SimpleTokenCounter extends TokenCounterFacade {
  /** @param modelMaxTokens Maximum number of tokens that `validateInput` accepts. Default 4096. */
  constructor(modelMaxTokens: number = DEFAULT_MODEL_MAX_TOKENS) {
    super(modelMaxTokens, () => processWide().tokenCounter);
  }
}

/**
 * `AdvancedRouter` of the Python package: the model list is passed with each call.
 *
 * @example
 * const router = new AdvancedRouter('simple_shuffle');
 * router.getAvailableDeployment(modelList, 'gpt-4', []); // an entry of the list, or null
 */
export class AdvancedRouter extends RouterFacade {
  /**
   * @param strategy A name of `ROUTING_STRATEGIES`, or LiteLLM's name for one. Default
   * `simple_shuffle`.
   * @throws InvalidArgumentError naming the strategies.
   */
  constructor(strategy: string = DEFAULT_STRATEGY) {
    super(strategy, () => processWide().listRouters);
  }
}
