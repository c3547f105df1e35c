import type { CallSettings } from '../call.js';
import { admitAndSend, type AttemptSettings } from './admit-and-send.js';
import { callsPerKey } from './calls-per-key.js';
import { fallbacks } from './fallbacks.js';
import { hooks } from './hooks.js';
import { composeLayers, type Next } from './layer.js';
import { queuedAdmission, type WaitingSettings } from './queued-admission.js';
import { records } from './records.js';
import { retries, type RetryBudget } from './retries.js';
import { tiers } from './tiers.js';

/** Dependencies shared by the calls of a client. */
export interface ClientContext extends CallSettings, AttemptSettings {
  readonly retryBudget: RetryBudget;
  /** From 0 to 1. */
  readonly random: () => number;
  /** `undefined`: calls do not wait. */
  readonly waiting: WaitingSettings | undefined;
  /** Calls in flight by API key, for `maxCallsPerKey`. */
  readonly inFlightByKey: Map<string, number>;
}

/**
 * The layers of a call, outermost first, around one attempt. Composed once per version of the
 * router's configuration: what cannot happen with it is not there.
 */
export function composeCall(client: ClientContext, { hasHooks }: { readonly hasHooks: boolean }): Next {
  const { router, options, settlement, waiting } = client;
  const mayRepeat = options.maxAttempts > 1;
  return composeLayers(
    [
      records(settlement),
      options.maxCallsPerKey === Infinity ? undefined : callsPerKey(options.maxCallsPerKey, client.inFlightByKey),
      hasHooks ? hooks(settlement) : undefined,
      router.settings.maxFallbacks > 0 ? fallbacks(router) : undefined,
      mayRepeat && hasTiers(client) ? tiers(router) : undefined,
      mayRepeat ? retries(client) : undefined,
    ],
    admitAndSend(client, waiting && queuedAdmission(waiting, client)),
  );
}

/** Whether deployments have different orders. */
function hasTiers({ router }: ClientContext): boolean {
  const [first, ...others] = router.deployments();
  return others.some(({ order }) => order !== first.order);
}
