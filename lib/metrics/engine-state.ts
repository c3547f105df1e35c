import type { CapabilityHealth, EngineName, MetricSample } from '../common/capability.js';
import type { EngineChoice } from '../engine/engine-choice.js';
import type { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';

/** Samples of each capability's engine: the one in use, native errors, shadow runs. */
export function engineSamples(
  engines: Readonly<Record<string, EngineChoice<object>>>,
  components: Readonly<Record<string, CapabilityHealth>>,
): MetricSample[] {
  return Object.entries(engines).flatMap(([capability, choice]): MetricSample[] => {
    const { runs, differences } = choice.shadow;
    const labels = { capability };
    return [
      {
        name: 'engine_info',
        help: 'Engine used for a request without an id.',
        type: 'gauge',
        value: 1,
        labels: { capability, engine: engineOf(components[capability]) ?? choice.active },
      },
      {
        name: 'native_errors_total',
        help: 'Native errors after which the TypeScript engine answered.',
        type: 'counter',
        value: choice.nativeErrors,
        labels,
      },
      { name: 'shadow_runs_total', help: 'Calls answered by both engines.', type: 'counter', value: runs, labels },
      { name: 'shadow_differences_total', help: 'Shadow runs with different answers.', type: 'counter', value: differences, labels },
    ];
  });
}

/** Whether the native addon is loaded. */
export function addonSamples(isOpen: boolean): MetricSample[] {
  return [{ name: 'addon_open', help: 'Whether the native addon is loaded.', type: 'gauge', value: Number(isOpen) }];
}

const HEALTH: Readonly<Record<CapabilityHealth['status'], number>> = { ok: 1, degraded: 0.5, down: 0 };

/** The health of each capability as a number, to alert below 1. */
export function healthSamples(components: Readonly<Record<string, CapabilityHealth>>): MetricSample[] {
  return Object.entries(components).map(([capability, { status }]) => ({
    name: 'health',
    help: 'Health of a capability: 1 ok, 0.5 degraded, 0 down.',
    type: 'gauge',
    value: HEALTH[status],
    labels: { capability },
  }));
}

/** The engine that a healthy capability reports; `undefined` for any other. */
function engineOf(health: CapabilityHealth | undefined): EngineName | undefined {
  return health?.status === 'ok' ? health.engine : undefined;
}

/** Feature flags with their state. */
export function featureSamples(flags: FeatureFlagsService): MetricSample[] {
  return Object.entries(flags.getFeatureStatus()).flatMap(([feature, status]): MetricSample[] => [
    {
      name: 'feature_enabled',
      help: 'Whether the feature is on for any request.',
      type: 'gauge',
      value: Number(status.enabled),
      labels: { feature },
    },
    {
      name: 'feature_rollout_percentage',
      help: 'Configured share of request ids, in percent.',
      type: 'gauge',
      value: status.rolloutPercentage,
      labels: { feature },
    },
    {
      name: 'feature_tripped',
      help: 'Whether native errors have tripped the circuit breaker of the feature.',
      type: 'gauge',
      value: Number(status.breaker !== 'closed'),
      labels: { feature },
    },
  ]);
}
