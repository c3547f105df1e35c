import { sampleOf, type CapabilityHealth, type MetricSample } from '../common/capability.js';
import type { EngineChoice } from '../engine/engine-choice.js';
import type { FeatureFlagsService } from '../feature-flags/feature-flags.service.js';

/** Samples of each capability's engine: the one in use, native errors, shadow runs. */
export function engineSamples(
  engines: Readonly<Record<string, EngineChoice<object>>>,
  components: Readonly<Record<string, CapabilityHealth>>,
): MetricSample[] {
  return Object.entries(engines).flatMap(([capability, { active, nativeErrors, shadow }]) => {
    const labels = { capability };
    const health = components[capability];
    // Only a healthy capability reports the engine that answers.
    const info = { capability, engine: health?.status === 'ok' ? health.engine : active };
    return [
      sampleOf('engine_info', 'Engine that answers requests without an id.', 'gauge', 1, info),
      sampleOf('native_errors_total', 'Native errors; the TypeScript engine answered instead.', 'counter', nativeErrors, labels),
      sampleOf('shadow_runs_total', 'Calls answered by both engines.', 'counter', shadow.runs, labels),
      sampleOf('shadow_differences_total', 'Shadow runs with different results.', 'counter', shadow.differences, labels),
    ];
  });
}

/** Whether the native addon is loaded. */
export function addonSamples(isOpen: boolean): MetricSample[] {
  return [sampleOf('addon_open', 'Whether the native addon is loaded.', 'gauge', Number(isOpen))];
}

const HEALTH: Readonly<Record<CapabilityHealth['status'], number>> = { ok: 1, degraded: 0.5, down: 0 };

/** The health of each capability as a number, to alert below 1. */
export function healthSamples(components: Readonly<Record<string, CapabilityHealth>>): MetricSample[] {
  return Object.entries(components).map(([capability, { status }]) =>
    sampleOf('health', 'Health of a capability: 1 ok, 0.5 degraded, 0 down.', 'gauge', HEALTH[status], { capability }),
  );
}

/** Feature flags with their state. */
export function featureSamples(flags: FeatureFlagsService): MetricSample[] {
  return Object.entries(flags.getFeatureStatus()).flatMap(([feature, { enabled, rolloutPercentage, breaker }]) => {
    const isTripped = Number(breaker !== 'closed');
    return [
      sampleOf('feature_enabled', 'Whether the feature is on for any request.', 'gauge', Number(enabled), { feature }),
      sampleOf('feature_rollout_percentage', 'Configured share of request ids, in percent.', 'gauge', rolloutPercentage, { feature }),
      sampleOf('feature_tripped', 'Whether native errors have tripped the circuit breaker of the feature.', 'gauge', isTripped, {
        feature,
      }),
    ];
  });
}
