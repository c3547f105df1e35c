import { lazy } from './common/lazy.js';
import type { CallRecorder } from './common/recorder.js';
import { provideEngine, type EngineContext } from './engine/provide-engine.js';
import { openNativeBinding } from './engine/native-binding.js';
import { processClock } from './engine/shared-memory.js';
import type { SwitchingEngine } from './engine/switching-engine.js';
import type { Environment } from './feature-flags/feature-flags.environment.js';
import type { FeatureFlagsContext } from './feature-flags/feature-flags.service.js';
import type * as Checking from './llm-client/providers/deployment-check.js';
import { promptTokensOf } from './http/token-estimate/token-estimate.js';
import { ListRouters } from './router/compat/router-cache.js';
import type { RouterEngine } from './router/engine/engine.js';
import { ROUTER_ENGINES } from './router/engine/engine-provider.js';
import type { ClientConfig } from './router/config/config-file.js';
import { resolveRouterOptions, type RouterOptions } from './router/router.options.js';
import type { RouterContext } from './router/router-dependencies.js';
import { RouterService } from './router/router.service.js';
import type { Deployment } from './router/deployments/deployment.js';
import type { TokenCounterService } from './token-counter/token-counter.service.js';
import { resolveTokenizer, type ResolvedTokenizer } from './token-counter/tokenizers/tokenizer-sources.js';

/** Tokens of a sample price: enough for the smallest price, too few for a higher tier. */
const PRICED_TOKENS = 1_000;

/** The router of the options, the routers of lists that come with calls, and their engines. */
export interface OpenedRouting {
  readonly engines: SwitchingEngine<RouterEngine>;
  readonly router: RouterService;
  readonly lists: ListRouters;
  /** The environment with the variables that the router's file sets. */
  readonly env: Environment;
  /** The file's settings for the client. */
  readonly ofClient: ClientConfig | undefined;
}

/** @throws InvalidConfigurationError naming the option, or the file and place in it. */
export function openRouting(
  options: RouterOptions | undefined,
  engines: EngineContext,
  { env, now }: FeatureFlagsContext,
  tokenCounter: TokenCounterService,
  recorder: CallRecorder,
): OpenedRouting {
  const resolved = resolveRouterOptions(options, env);
  const choice = provideEngine(ROUTER_ENGINES, engines);
  const context: RouterContext = {
    now: now ?? processClock(choice.native === null ? null : openNativeBinding().binding),
    logger: engines.logger,
    recorder,
    countTokens: (messages, model) => promptTokensOf({ messages, model }, { counter: tokenCounter }) as number,
    modelFacts: {
      costPerToken: (model) => {
        const cost = tokenCounter.estimateCost(PRICED_TOKENS, PRICED_TOKENS, model);
        // Without the fee of a request.
        return cost === null ? null : (cost - (tokenCounter.estimateCost(0, 0, model) ?? 0)) / PRICED_TOKENS;
      },
      priced: (model, promptTokens, completionTokens, details) =>
        tokenCounter.estimateCostParts(promptTokens, completionTokens, model, details),
      maxInputTokens: (model) => tokenCounter.getModelLimits(model).contextWindow,
    },
  };
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded for the first deployment
  const check = lazy(() => (require('./llm-client/providers/deployment-check.js') as typeof Checking).deploymentCheck(resolved.env));
  return {
    engines: choice,
    router: new RouterService(choice, resolved, { ...context, check: (deployment) => check()(deployment) }),
    lists: new ListRouters(choice, context),
    env: resolved.env,
    ofClient: resolved.ofClient,
  };
}

/**
 * The tokenizers of LiteLLM's `model_info.custom_tokenizer` that name a `file` or a `package`, for
 * the deployment's model group. LiteLLM's own keys, which download, are ignored.
 * @throws InvalidConfigurationError naming the model group.
 */
export function customTokenizers(deployments: readonly Deployment[]): ResolvedTokenizer[] {
  const found: ResolvedTokenizer[] = [];
  for (const { modelName, source } of deployments) {
    const custom = source.model_info?.custom_tokenizer;
    if (typeof custom !== 'object' || custom === null || !('file' in custom || 'package' in custom)) continue;
    const { file, package: name, split } = custom as Readonly<Record<string, unknown>>;
    const own = Object.fromEntries(Object.entries({ file, package: name, split }).filter(([, value]) => value !== undefined));
    found.push(resolveTokenizer(`model_list['${modelName}'].model_info.custom_tokenizer`, modelName, own));
  }
  return found;
}
