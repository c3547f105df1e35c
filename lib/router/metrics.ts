import { samplesOf, type MetricSample } from '../common/capability.js';
import {
  ContextWindowExceededError,
  DeploymentMisconfiguredError,
  NoDeploymentError,
  RouterRateLimitError,
} from '../common/http-errors.js';
import type { Deployment } from './deployments/deployment.js';
import type { QuotaDomains } from './quota/quota-domains.js';
import type { DeploymentState } from './selection/explanation.js';

const STATES: readonly DeploymentState['state'][] = ['available', 'cooling', 'over_budget', 'unhealthy', 'blocked', 'uncallable'];
const REASONS = ['no_deployment', 'rate_limit', 'context_window', 'misconfigured'] as const;
const sample = samplesOf('router');

/** Counts of a router since its start. */
export class RouterCounters {
  picks = 0;
  cancellations = 0;
  cooldowns = 0;
  successes = 0;
  failures = 0;
  /** Requests that a provider refused because of their contents. */
  refusedByProviders = 0;
  private readonly refusals = { no_deployment: 0, rate_limit: 0, context_window: 0, misconfigured: 0 };

  /** Counts a request for which no deployment of its group could be selected. */
  refused(error: unknown): void {
    if (error instanceof RouterRateLimitError) this.refusals.rate_limit++;
    else if (error instanceof NoDeploymentError) this.refusals.no_deployment++;
    else if (error instanceof DeploymentMisconfiguredError) this.refusals.misconfigured++;
    else if (error instanceof ContextWindowExceededError) this.refusals.context_window++;
  }

  samples(states: readonly DeploymentState[], deployments: readonly Deployment[]): readonly MetricSample[] {
    const counter = (name: string, help: string, value: number, labels?: MetricSample['labels']): MetricSample =>
      sample(name, help, 'counter', value, labels);
    return [
      counter('picks_total', 'Selections of a deployment.', this.picks),
      counter('calls_total', 'Finished calls, by outcome.', this.successes, { outcome: 'success' }),
      counter('calls_total', 'Finished calls, by outcome.', this.failures, { outcome: 'failure' }),
      counter('calls_total', 'Finished calls, by outcome.', this.cancellations, { outcome: 'cancelled' }),
      counter('calls_total', 'Finished calls, by outcome.', this.refusedByProviders, { outcome: 'refused' }),
      ...deployments.flatMap(({ id, outcomes }) => outcomeSamples(id, outcomes)),
      ...REASONS.map((reason) =>
        counter('refusals_total', 'Selections without an eligible deployment, by reason.', this.refusals[reason], { reason }),
      ),
      counter('cooldowns_total', 'Cooldowns started.', this.cooldowns),
      ...STATES.map((state) =>
        sample('deployments', 'Deployments, by state.', 'gauge', states.filter((each) => each.state === state).length, { state }),
      ),
      sample(
        'in_flight',
        'Requests in flight at all deployments.',
        'gauge',
        states.reduce((sum, { inFlight }) => sum + inFlight, 0),
      ),
    ];
  }
}

/** Whether a selection was refused, as opposed to failed. */
export function isRefusal(error: unknown): error is Error {
  return (
    error instanceof RouterRateLimitError ||
    error instanceof NoDeploymentError ||
    error instanceof DeploymentMisconfiguredError ||
    error instanceof ContextWindowExceededError
  );
}

/** Metrics of providers' quotas; none unless limits are learned. */
export function quotaSamples(quotas: QuotaDomains | undefined, nowMs: number): readonly MetricSample[] {
  if (quotas === undefined) return [];
  const all = [...quotas.values()];
  const closed = all.filter((quota) => quota.state(nowMs).closedForMs > 0).length;
  const refused = 'Responses with status 429 that closed a provider quota.';
  return [
    sample('quotas', 'Known quotas of providers.', 'gauge', all.length),
    sample('quotas_closed', 'Provider quotas closed by a 429.', 'gauge', closed),
    sample('quota_closures_total', refused, 'counter', quotas.closures),
  ];
}

/** Only for deployments that were called: of a long list, few are. */
function outcomeSamples(deployment: string, outcomes: Deployment['outcomes']): MetricSample[] {
  if (outcomes.success + outcomes.failure + outcomes.refused === 0) return [];
  const help = 'Finished calls of a deployment, by outcome.';
  const seconds = 'Total duration of the successful calls of a deployment, from sending to the end of the answer.';
  return [
    ...(['success', 'failure', 'refused'] as const).map((outcome) =>
      sample('deployment_calls_total', help, 'counter', outcomes[outcome], { deployment, outcome }),
    ),
    sample('deployment_seconds_total', seconds, 'counter', outcomes.successMs / 1000, { deployment }),
  ];
}
