import type { MetricSample } from '../common/capability.js';
import { ContextWindowExceededError, NoDeploymentError, RouterRateLimitError } from '../common/http-errors.js';
import type { DeploymentState } from './explanation.js';

const STATES: readonly DeploymentState['state'][] = ['available', 'cooling', 'unhealthy', 'blocked'];
const REASONS = ['no_deployment', 'rate_limit', 'context_window'] as const;

/** What a router has done since its start. */
export class RouterCounters {
  picks = 0;
  successes = 0;
  failures = 0;
  cancellations = 0;
  cooldowns = 0;
  private readonly refusals = { no_deployment: 0, rate_limit: 0, context_window: 0 };

  refused(error: unknown): void {
    if (error instanceof RouterRateLimitError) this.refusals.rate_limit++;
    else if (error instanceof NoDeploymentError) this.refusals.no_deployment++;
    else if (error instanceof ContextWindowExceededError) this.refusals.context_window++;
  }

  samples(deployments: readonly DeploymentState[]): readonly MetricSample[] {
    const counter = (name: string, help: string, value: number, labels?: MetricSample['labels']): MetricSample => ({
      name: `router_${name}`,
      help,
      type: 'counter',
      value,
      ...(labels && { labels }),
    });
    return [
      counter('picks_total', 'Deployments chosen and booked.', this.picks),
      counter('calls_total', 'Calls that were given back, by how they came out.', this.successes, { outcome: 'success' }),
      counter('calls_total', 'Calls that were given back, by how they came out.', this.failures, { outcome: 'failure' }),
      counter('calls_total', 'Calls that were given back, by how they came out.', this.cancellations, { outcome: 'cancelled' }),
      ...REASONS.map((reason) => counter('refusals_total', 'Requests that got no deployment, by why.', this.refusals[reason], { reason })),
      counter('cooldowns_total', 'Deployments that began to cool.', this.cooldowns),
      ...STATES.map((state) => ({
        name: 'router_deployments',
        help: 'Deployments, by how they stand.',
        type: 'gauge' as const,
        value: deployments.filter((deployment) => deployment.state === state).length,
        labels: { state },
      })),
      {
        name: 'router_in_flight',
        help: 'Requests under way at all deployments.',
        type: 'gauge',
        value: deployments.reduce((sum, { inFlight }) => sum + inFlight, 0),
      },
    ];
  }
}
