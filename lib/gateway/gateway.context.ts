import type { ApiKeyService } from '../keys/api-keys.service.js';
import type { LlmClient } from '../calls/llm-client.service.js';
import type { JsonReader } from '../http/body/json-reader.js';
import type { RateLimitGuard } from '../http/guard/rate-limit.guard.js';
import type { RouteDurations } from '../http/route-durations.js';
import type { RateLimitScope } from '../rate-limit/store.js';
import type { RouterService } from '../router/router.service.js';
import type { TokenCounterService } from '../token-counter/token-counter.service.js';
import type { MasterKey } from './access/master-key.js';
import type { ResolvedGatewayOptions } from './gateway.options.js';
import type { TenantIds } from './tenant-ids.js';

/** Answer to probes. */
export interface GatewayReadiness {
  readonly isShuttingDown: boolean;
  readonly isHealthy: boolean;
  /** Whether there is a database, and it answers. */
  readonly hasDatabase: boolean;
}

/** Dependencies of the gateway's routes. */
export interface GatewayContext {
  readonly options: ResolvedGatewayOptions;
  /** Who may send requests; `null`: those with the master key, or whom the app's guards accept. */
  readonly keys: ApiKeyService | null;
  /** Key that requests must send; `null` if `keys` or the app's guards decide. */
  readonly masterKey: MasterKey | null;
  /** Who needs no key, while no master key is configured; `null`: `keys` and `masterKey` decide. */
  readonly openTo: 'loopback' | 'all' | null;
  readonly client: LlmClient;
  readonly router: RouterService;
  readonly tokenCounter: TokenCounterService;
  readonly rateLimits: RateLimitGuard;
  /** A budget shared by all requests, in addition to their limits; `null` if none is set. */
  readonly budget: RateLimitScope | null;
  readonly json: JsonReader;
  /** Ids of stored responses and message batches, as clients get them. */
  readonly tenantIds: TenantIds;
  readonly readiness: () => GatewayReadiness;
}

/** The same for a gateway that is mounted in an app. */
export interface MountedContext extends GatewayContext {
  /** Measures its routes. */
  readonly durations: RouteDurations;
}

/** Injection token of the `MountedContext` of one gateway. */
export const GATEWAY_CONTEXT = Symbol('FastLiteLLMGateway');
