import { openNativeBinding } from './engine/native-binding.js';
import { FastLiteLLM, type FastLiteLLMHealth } from './fast-litellm.js';
import type { FeatureStatus } from './feature-flags/feature-flag.js';
import type { FeatureName } from './feature-flags/feature-flags.options.js';
import { DEFAULT_MODEL_MAX_TOKENS, SimpleTokenCounter as TokenCounterFacade } from './token-counter/simple-token-counter.js';
import type { TokenCounterService } from './token-counter/token-counter.service.js';

let instance: FastLiteLLM | undefined;

/** The process-wide instance behind the functions of this file, built by the first call of one: with the environment, but no options. */
function processWide(): FastLiteLLM {
  return (instance ??= new FastLiteLLM());
}

/** Whether the native addon can be opened here. Under `FAST_LITELLM_ENGINE=typescript` it is `false` and the addon stays closed. */
export declare const RUST_ACCELERATION_AVAILABLE: boolean;
// A getter, so that requiring this package does not open the addon for those who set `engine: 'typescript'`.
Object.defineProperty(exports, 'RUST_ACCELERATION_AVAILABLE', { enumerable: true, get: () => openNativeBinding().binding !== null });

/** `FeatureFlagsService.isEnabled` of the process-wide instance. */
export function isEnabled(feature: FeatureName, requestId?: string): boolean {
  return processWide().featureFlags.isEnabled(feature, requestId);
}

/** `FeatureFlagsService.getFeatureStatus` of the process-wide instance. */
export function getFeatureStatus(): Record<FeatureName, FeatureStatus> {
  return processWide().featureFlags.getFeatureStatus();
}

/** `FeatureFlagsService.resetErrors` of the process-wide instance. */
export function resetErrors(feature?: FeatureName): void {
  processWide().featureFlags.resetErrors(feature);
}

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
 * The reference's `SimpleTokenCounter`, on the process-wide instance.
 *
 * @example
 * const counter = new SimpleTokenCounter(4096);
 * counter.countTokens('Hello world', 'gpt-4'); // 2
 */
export class SimpleTokenCounter extends TokenCounterFacade {
  /** @param modelMaxTokens The most tokens `validateInput` lets pass. Default 4096. */
  constructor(modelMaxTokens: number = DEFAULT_MODEL_MAX_TOKENS) {
    super(modelMaxTokens, () => processWide().tokenCounter);
  }
}
