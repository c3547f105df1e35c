import type { CapabilityHealth, EngineName, MetricSample } from '../common/capability.js';
import type { SwitchingEngine } from '../engine/switching-engine.js';
import type { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';

/** What every capability's engine choice has to tell: which engine answers, what failed, what shadow runs showed. */
export function engineSamples(
  engines: Readonly<Record<string, SwitchingEngine<object>>>,
  components: Readonly<Record<string, CapabilityHealth>>,
): MetricSample[] {
  return Object.entries(engines).flatMap(([capability, choice]): MetricSample[] => {
    const { runs, differences } = choice.shadow;
    const labels = { capability };
    return [
      {
        name: 'engine_info',
        help: 'The engine that answers a request without an id.',
        type: 'gauge',
        value: 1,
        labels: { capability, engine: engineOf(components[capability]) ?? choice.active },
      },
      {
        name: 'native_errors_total',
        help: 'Native failures that the TypeScript engine made good.',
        type: 'counter',
        value: choice.nativeErrors,
        labels,
      },
      { name: 'shadow_runs_total', help: 'Calls that both engines answered.', type: 'counter', value: runs, labels },
      { name: 'shadow_differences_total', help: 'Shadow runs with unequal answers.', type: 'counter', value: differences, labels },
    ];
  });
}

/** Whether native engines are there to be chosen. */
export function addonSamples(isOpen: boolean): MetricSample[] {
  return [{ name: 'addon_open', help: 'Whether the native addon is open.', type: 'gauge', value: Number(isOpen) }];
}

const HEALTH: Readonly<Record<CapabilityHealth['status'], number>> = { ok: 1, degraded: 0.5, down: 0 };

/** Each capability's health as a number, to alert below 1. */
export function healthSamples(components: Readonly<Record<string, CapabilityHealth>>): MetricSample[] {
  return Object.entries(components).map(([capability, { status }]) => ({
    name: 'health',
    help: 'Health of a capability: 1 ok, 0.5 degraded, 0 down.',
    type: 'gauge',
    value: HEALTH[status],
    labels: { capability },
  }));
}

/** The engine that a capability says it uses: where it was measured to be faster, not the one in charge. Of one that has no answer yet, nothing. */
function engineOf(health: CapabilityHealth | undefined): EngineName | undefined {
  return health?.status === 'ok' ? health.engine : undefined;
}

/** The features as they are in force. */
export function featureSamples(flags: FeatureFlagsService): MetricSample[] {
  return Object.entries(flags.getFeatureStatus()).flatMap(([feature, status]): MetricSample[] => [
    {
      name: 'feature_enabled',
      help: 'Whether any request gets the feature.',
      type: 'gauge',
      value: Number(status.enabled),
      labels: { feature },
    },
    {
      name: 'feature_rollout_percentage',
      help: 'Configured share of request ids, in per cent.',
      type: 'gauge',
      value: status.rolloutPercentage,
      labels: { feature },
    },
    {
      name: 'feature_tripped',
      help: 'Whether native errors keep the feature off.',
      type: 'gauge',
      value: Number(status.breaker !== 'closed'),
      labels: { feature },
    },
  ]);
}
