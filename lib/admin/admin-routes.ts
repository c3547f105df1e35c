import type { LlmClient } from '../calls/llm-client.service.js';
import type { LogSink } from '../common/log-sink.js';
import type { ConfigurationService } from '../configuration/configuration.service.js';
import type { StoredModels } from '../configuration/stored/stored-models.js';
import type { Guardrails } from '../guardrails/guardrails.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import type { ApiKeyService } from '../keys/api-keys.service.js';
import type { RouterService } from '../router/router.service.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import type { AdminRequester } from './admin-requester.js';

/** A service that receives calls or alerts. */
export interface TestedService {
  /** LiteLLM's name: `langfuse`, `slack`. */
  readonly name: string;
  /** Sends a test event. Rejects if the service does not accept it. */
  readonly test: () => Promise<void>;
}

/** Services that the admin routes use. */
export interface AdminServices {
  /** Models, credentials and settings of the store; it always exists, also without a store. */
  readonly stored: StoredModels;
  readonly router: RouterService;
  readonly client: LlmClient;
  readonly tokenCounter: TokenCounterService;
  readonly configuration: ConfigurationService;
  /** `undefined`: none are configured. */
  readonly guardrails: () => Guardrails | undefined;
  /** Callbacks and alert channels that are configured. */
  readonly services: readonly TestedService[];
  readonly log: LogSink;
  /** LiteLLM's configuration file. */
  readonly file: { readonly path?: string; readonly env?: Environment };
  /** `undefined`: the app has no keys, so no request is accepted. */
  readonly keys: ApiKeyService | undefined;
}

/** Provides the `AdminServices` of an app. */
export const ADMIN_SERVICES = Symbol('admin services');

/** The parts of a request. */
export interface AdminRequest {
  readonly body: unknown;
  readonly query: unknown;
  readonly params: Readonly<Record<string, string>>;
  readonly requester: AdminRequester;
}

/** A route below the root, with LiteLLM's path: `model/:id/update`. */
export interface AdminRoute {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  readonly path: string;
  /** `master`: only with the master key. `key`: with any key; the answer depends on it. */
  readonly access: 'master' | 'key';
  readonly answer: (services: AdminServices, request: AdminRequest) => Promise<unknown>;
}
