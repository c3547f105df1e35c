import { createAdminController } from './admin/admin.controller.js';
import type { AdminServices, TestedService } from './admin/admin-routes.js';
import type { ResolvedAdminOptions } from './admin/admin.options.js';
import { NO_VALUE, InvalidArgumentError } from './common/errors.js';
import { checkSaltKey, refuseMasterKey, SaltKeys } from './configuration/stored/salt-keys.js';
import { StoredConfigurationError } from './configuration/stored/stored-errors.js';
import { StoredModels } from './configuration/stored/stored-models.js';
import { AddressGuard } from './connection-pool/connection/address-guard.js';
import type { FastLiteLLM } from './fast-litellm.js';
import type { Environment } from './feature-flags/feature-flags.environment.js';
import { OpenAIErrorFilter } from './gateway/gateway-error.filter.js';
import type { ApiKeyService } from './keys/api-keys.service.js';

const SALT_KEY = 'LITELLM_SALT_KEY';
const OTHER_SALT_KEYS = 'FAST_LITELLM_OTHER_SALT_KEYS';
const ALLOWED_ADDRESSES = 'FAST_LITELLM_ALLOWED_ADDRESSES';
const TEST_TIMEOUT_MS = 30_000;

/** The controller of LiteLLM's admin routes. */
export const adminController = (hasHealth: boolean): ReturnType<typeof createAdminController> =>
  createAdminController(OpenAIErrorFilter, hasHealth);

/**
 * The models of the store, for the router of an app.
 * @throws InvalidConfigurationError for salt keys that are too short or the master key
 */
export function openStoredModels(llm: FastLiteLLM, options: ResolvedAdminOptions, keys: ApiKeyService | undefined): StoredModels {
  const { router, client, connectionPool, guardedDeployments: guarded, log } = llm;
  const { configuration: live, liteLLMConfig: file } = llm;
  const env = file.env ?? process.env;
  const guard = addressGuardOf(options, env);
  connectionPool.useGuard(guard);
  const stored = new StoredModels({
    source: options.store,
    keys: saltKeysOf(options, env, keys),
    guard,
    live,
    read: (entry, replacedId) => router.readStoredDeployment(entry, replacedId),
    addressOf: (deployment) => client.addressOf(deployment),
    guarded,
    call: (id) => testCall(llm, id),
    log,
    audit: keys?.auditLog,
  });
  // A new file can start or stop defining a stored model.
  live.onApplied(({ cause }) => {
    if (cause !== 'store') void stored.reapply();
  });
  return stored;
}

/** Services that the admin routes use. */
export function openAdminServices(llm: FastLiteLLM, stored: StoredModels, keys: ApiKeyService | undefined): AdminServices {
  const { router, client, tokenCounter, configuration, log, liteLLMConfig: file } = llm;
  return {
    stored,
    router,
    client,
    tokenCounter,
    configuration,
    services: servicesOf(llm),
    guardrails: () => llm.guardrails,
    log,
    file,
    keys,
  };
}

/** Callbacks and alert channels, by LiteLLM's names. */
function servicesOf({ callbacks, alerting }: FastLiteLLM): TestedService[] {
  const sinks = callbacks?.sinkNames.map((name) => ({ name, test: () => callbacks.test(name) })) ?? [];
  const channels = alerting?.channels.map((name) => ({ name, test: () => alerting.test(name) })) ?? [];
  return [...sinks, ...channels];
}

function addressGuardOf({ allowedAddresses }: ResolvedAdminOptions, env: Environment): AddressGuard {
  if (allowedAddresses !== undefined) return new AddressGuard(allowedAddresses, 'admin.allowedAddresses');
  const listed = (env[ALLOWED_ADDRESSES] ?? '').split(',').map((entry) => entry.trim());
  return new AddressGuard(
    listed.filter((entry) => entry !== ''),
    ALLOWED_ADDRESSES,
  );
}

function saltKeysOf(
  { saltKey, otherSaltKeys }: ResolvedAdminOptions,
  env: Environment,
  keys: ApiKeyService | undefined,
): SaltKeys | undefined {
  const set = env[SALT_KEY] ?? '';
  const current = saltKey === undefined ? (set === '' ? null : checkSaltKey(SALT_KEY, set)) : saltKey;
  if (current === null) return undefined;
  const listed = (env[OTHER_SALT_KEYS] ?? '').split(',').filter((key) => key !== '');
  const others = otherSaltKeys ?? listed.map((key) => checkSaltKey(OTHER_SALT_KEYS, key));
  refuseMasterKey([current, ...others], (key) => keys?.isMasterKey(key) === true);
  return new SaltKeys(current, others);
}

/** The smallest request of a deployment's mode, without retries and fallbacks. */
async function testCall({ router, client }: FastLiteLLM, id: string): Promise<boolean> {
  const deployment = router.deployments().find((each) => each.id === id);
  if (deployment === undefined) throw new StoredConfigurationError('CONFIGURATION_NOT_FOUND', `the model ${id} does not exist`);
  if (deployment.model.includes('*')) throw new InvalidArgumentError('model', NO_VALUE, 'must be one model, not a pattern');
  const { mode = 'chat' } = deployment.info;
  const options = { numRetries: 0, disableFallbacks: true, timeoutMs: TEST_TIMEOUT_MS };
  if (mode === 'chat') await client.chat({ model: id, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 16 }, options);
  else if (mode === 'embedding') await client.embeddings({ model: id, input: 'Hi' }, options);
  else if (mode === 'completion') await client.completions({ model: id, prompt: 'Hi', max_tokens: 16 }, options);
  else if (mode === 'responses') await client.responses({ model: id, input: 'Hi', max_output_tokens: 16 }, options);
  else return false;
  return true;
}
