import type { CallSettings } from '../call.js';
import { type CallView, composeLayers, type Next } from './layer.js';
import { type RetryBudget, Retries } from './retries.js';
import { attempt, selectNow, type AttemptSettings } from './admit-and-send.js';
import type { CallsPerKey } from './calls-per-key.js';
import { Fallbacks } from './fallbacks.js';
import { Hooks } from './hooks.js';
import { queuedAdmission, type WaitingSettings } from './queued-admission.js';
import { Records } from './records.js';
import { Tiers } from './tiers.js';

/** What the calls of a client share. */
export interface ClientContext extends CallSettings, AttemptSettings {
  readonly retryBudget: RetryBudget;
  /** From 0 to 1. */
  readonly random: () => number;
  /** `undefined`: calls do not wait. */
  readonly waiting: WaitingSettings | undefined;
  /** `undefined`: keys have no limit. */
  readonly callsPerKey: CallsPerKey | undefined;
}

/**
 * The layers of a call, outermost first, around one attempt. Composed once per version of the
 * router's configuration: what cannot happen with it is not there.
 */
export function composeCall(client: ClientContext, { hasHooks }: { readonly hasHooks: boolean }): Next {
  const { router, options, reporter, waiting } = client;
  const mayRepeat = options.maxAttempts > 1;
  const admit = waiting === undefined ? (view: CallView) => selectNow(router, view) : queuedAdmission(waiting, client);
  return composeLayers(
    [
      new Records(reporter),
      client.callsPerKey,
      hasHooks ? new Hooks(reporter) : undefined,
      router.settings.maxFallbacks > 0 ? new Fallbacks(router) : undefined,
      mayRepeat && hasTiers(client) ? new Tiers(router) : undefined,
      mayRepeat ? new Retries(client) : undefined,
    ],
    (view) => attempt(view, admit, client),
  );
}

/** Whether deployments have different orders. */
function hasTiers({ router }: ClientContext): boolean {
  const [first, ...others] = router.deployments();
  return others.some(({ order }) => order !== first.order);
}
