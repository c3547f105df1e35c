import type { AccelerationOptions } from './acceleration/acceleration.options.js';
import { AccelerationService } from './acceleration/acceleration.service.js';
import type { PatchStatus } from './acceleration/patch-status.js';
import { readEngineMode } from './engine/engine-mode.js';
import { FeatureFlagsService } from './feature-flags/feature-flags.service.js';
import { TOKEN_COUNTER_ENGINES } from './token-counter/engine/engine-provider.js';
import { provideEngine } from './engine/engine-choice.js';

// `import 'nestjs-fast-litellm/register'`: accelerates the libraries that the app uses, without
// loading Nest.

const warn = (message: string): void => process.emitWarning(message, 'FastLiteLLM');
const logger = { log: () => {}, warn, error: warn };
const flags = new FeatureFlagsService({}, { logger });
const service = new AccelerationService(provideEngine(TOKEN_COUNTER_ENGINES, { setting: readEngineMode(undefined), flags, logger }));
service.apply();

/** `AccelerationService.apply`, without Nest. */
export function applyAcceleration(options?: AccelerationOptions): boolean {
  return service.apply(options);
}

/** `AccelerationService.remove`, without Nest. */
export function removeAcceleration(): boolean {
  return service.remove();
}

/** `AccelerationService.status`, without Nest. */
export function getPatchStatus(): PatchStatus {
  return service.status();
}
