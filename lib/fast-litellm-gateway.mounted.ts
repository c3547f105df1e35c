import type { HttpAdapterHost } from '@nestjs/core';
import { InvalidArgumentError, InvalidConfigurationError } from './common/errors.js';
import type { FastLiteLLM } from './fast-litellm.js';
import { protectApp } from './gateway/access/app-protection.js';
import { MasterKey } from './gateway/access/master-key.js';
import { readBodies } from './gateway/body/bodies.js';
import type { GatewayContext, MountedContext } from './gateway/gateway.context.js';
import { resolveGatewayOptions, type GatewayOptions, type ResolvedGatewayOptions } from './gateway/gateway.options.js';
import { documentKeys } from './gateway/openapi/operation.js';
import { TenantIds } from './gateway/tenant-ids.js';
import type { MountedRoute } from './gateway/routes/mounted-route.js';
import { answerUnknownRoutes } from './gateway/routes/unknown-routes.js';
import { RateLimitGuard } from './http/guard/rate-limit.guard.js';
import { RouteDurations } from './http/route-durations.js';
import type { ApiKeyService } from './keys/api-keys.service.js';
import { kindOfDuration } from './rate-limit/budget/budget-limits.js';
import type { RateLimitScope } from './rate-limit/store.js';
import { BUDGET_SETTING } from './router/config/config-file.js';
import { unenforcedError } from './router/config/protecting-keys.js';
import { protectionOf, proxyBudgetIn, proxySettingsIn } from './router/config/proxy-settings.js';

export { createGatewayControllers } from './gateway/gateway.controllers.js';

const MASTER_KEY_SETTING = 'general_settings.master_key';
/** LiteLLM's name for it. */
const PROXY_BUDGET = 'litellm-proxy-budget';

const NO_KEYS = 'Gateway: requests need no key (no guards, no masterKey, no FastLiteLLMKeysModule); set gateway.masterKey to require one';

const OPEN_ON_LOOPBACK =
  'Gateway: accepts only clients on this machine, without a key (no master key is set); set LITELLM_MASTER_KEY to require a key';

/** Parts of the app's modules that the gateway uses. */
interface GatewayParts {
  /** How many guards of the app are on the routes. */
  readonly guards: number;
  readonly options?: GatewayOptions;
  readonly keys?: ApiKeyService;
}

/**
 * Creates the dependencies of the gateway's routes. @throws InvalidConfigurationError naming the
 * option.
 */
export function openGateway(llm: FastLiteLLM, { guards, options: given, keys: apiKeys }: GatewayParts): MountedContext {
  const resolved = resolveGatewayOptions(given);
  const keys = keysOf(resolved, apiKeys);
  const masterKey = keys === null ? masterKeyOf(llm, guards, resolved) : null;
  const openTo = openToOf(llm, guards, resolved, masterKey !== null || keys?.hasMasterKey === true);
  const isOpen = openTo !== null || (keys === null && masterKey === null && guards === 0);
  checkProtection(llm.liteLLMConfig, isOpen);
  if (isOpen) llm.log.log(openTo === 'loopback' ? OPEN_ON_LOOPBACK : NO_KEYS);
  const context = {
    options: openTo === null ? resolved : { ...resolved, allowedHosts: resolved.allowedHosts ?? [] },
    keys,
    masterKey,
    openTo,
    client: llm.client,
    router: llm.router,
    tokenCounter: llm.tokenCounter,
    rateLimits: new RateLimitGuard(llm.rateLimiter, llm.tokenCounter),
    durations: new RouteDurations(llm.monitor),
    budget: budgetOf(llm, llm.liteLLMConfig),
    json: llm.json,
    tenantIds: new TenantIds(tenantSecret(llm, { keys, masterKey, isOpen })),
    readiness: () => ({
      isShuttingDown: llm.shutdown.isShuttingDown,
      isHealthy: llm.healthCheck().status !== 'down',
      hasDatabase: keys?.hasDatabase === true,
    }),
  };
  if (llm.liteLLMConfig.path !== undefined) {
    llm.configuration.follow(({ document }) => {
      const next = { ...llm.liteLLMConfig, document };
      checkProtection(next, isOpen);
      const budget = budgetOf(llm, next);
      return { apply: () => void (context.budget = budget) };
    });
  }
  return context;
}

type LiteLLMConfig = FastLiteLLM['liteLLMConfig'];

/**
 * Makes the server read the bodies of the routes and answer unknown routes; documents their keys.
 */
export function serve(host: HttpAdapterHost, gateway: MountedContext, routes: readonly MountedRoute[]): void {
  const bind = (): void => {
    const { httpAdapter } = host;
    readBodies(httpAdapter, gateway, routes);
    answerUnknownRoutes(httpAdapter, routes);
    if (gateway.options.protectApp !== undefined) protectApp(httpAdapter, gateway, gateway.options.protectApp);
  };
  // In tests the app is created after its modules.
  if (host.httpAdapter !== undefined) bind();
  else host.init$.subscribe(bind);
  if (gateway.keys !== null || gateway.masterKey !== null) documentKeys(routes);
}

/** The settings that decide who may send requests. */
type Access = Pick<GatewayContext, 'keys' | 'masterKey'> & { readonly isOpen: boolean };

/**
 * The secret that binds the ids of stored objects: `LITELLM_SALT_KEY`, else the master key. A
 * gateway that is open to all has no tenants to separate. `undefined`: there is none.
 */
function tenantSecret({ liteLLMConfig }: FastLiteLLM, { keys, masterKey, isOpen }: Access): string | undefined {
  const env = liteLLMConfig.env ?? process.env;
  const salt = env.LITELLM_SALT_KEY;
  return (salt === '' ? undefined : salt) ?? keys?.sharedSecret ?? masterKey?.sharedSecret ?? (isOpen ? '' : undefined);
}

/** The keys that requests need; `null`: none. */
function keysOf({ keys, masterKey }: ResolvedGatewayOptions, apiKeys: ApiKeyService | undefined): ApiKeyService | null {
  if (keys === true && apiKeys === undefined)
    throw new InvalidConfigurationError('gateway.keys', "requires FastLiteLLMKeysModule in the app's imports");
  if (keys === false || apiKeys === undefined) return null;
  if (masterKey !== null)
    throw new InvalidConfigurationError('gateway.masterKey', 'cannot be combined with FastLiteLLMKeysModule; set keys.masterKey instead');
  return apiKeys;
}

/**
 * The gateway must not be more open than LiteLLM's proxy with the same file.
 * @throws InvalidConfigurationError naming the settings of the file that nothing enforces.
 */
function checkProtection(liteLLMConfig: LiteLLMConfig, isOpen: boolean): void {
  const { path, handledSettings } = liteLLMConfig;
  if (path === undefined) return;
  const { restrictions, authentication } = protectionOf(liteLLMConfig);
  const missing = [...restrictions, ...(isOpen ? authentication : [])].filter((setting) => !handledSettings.includes(setting));
  if (missing.length > 0) throw unenforcedError(path, missing);
}

/**
 * Who needs no key. LiteLLM's proxy starts without a master key on any address only with
 * `dangerously_permit_weak_or_unset_master_key`.
 */
function openToOf(
  { liteLLMConfig }: FastLiteLLM,
  guards: number,
  { openOnLoopback }: ResolvedGatewayOptions,
  hasMasterKey: boolean,
): GatewayContext['openTo'] {
  if (!openOnLoopback) return null;
  if (guards > 0) throw new InvalidConfigurationError('gateway.openOnLoopback', 'cannot be combined with gateway.guards');
  if (hasMasterKey) return null;
  return proxySettingsIn(liteLLMConfig).permitsWeakMasterKey ? 'all' : 'loopback';
}

/** LiteLLM's budget of the whole proxy. */
function budgetOf({ rateLimiter }: FastLiteLLM, { path, handledSettings, ...file }: LiteLLMConfig): RateLimitScope | null {
  const budget = path === undefined || handledSettings.includes(BUDGET_SETTING) ? undefined : proxyBudgetIn({ ...file, path });
  if (budget === undefined) return null;
  const { usd, duration } = budget;
  const limits =
    duration === undefined ? { usdTotal: usd } : { usdPerWindow: usd, usdWindow: duration, usdWindowKind: kindOfDuration(duration) };
  try {
    return { limit: rateLimiter.limitOf({ limit: PROXY_BUDGET, limits }), key: 'all' };
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    const setting = error.path.endsWith('usdWindow') ? 'litellm_settings.budget_duration' : BUDGET_SETTING;
    const advice = `; if the app limits spending itself, list ${BUDGET_SETTING} in router.handledSettings`;
    throw new InvalidConfigurationError(`${path}: ${setting}`, error.rule + advice);
  }
}

/** The option, else the one of LiteLLM's configuration, where the app has no guards of its own. */
function masterKeyOf({ liteLLMConfig }: FastLiteLLM, guards: number, { masterKey: own }: ResolvedGatewayOptions): MasterKey | null {
  if (own !== null) return new MasterKey(own);
  const { handledSettings } = liteLLMConfig;
  if (guards > 0 || handledSettings.includes(MASTER_KEY_SETTING)) return null;
  const { masterKey, keyHeader } = proxySettingsIn(liteLLMConfig);
  return masterKey === null ? null : new MasterKey(masterKey, keyHeader);
}
