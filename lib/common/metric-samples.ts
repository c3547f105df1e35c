import type { MetricSample } from './capability.js';

type MakeSample = (name: string, help: string, type: MetricSample['type'], value: number, labels?: MetricSample['labels']) => MetricSample;

/**
 * Makes samples with a prefix: `samplesOf('router')('picks_total', …)` is one of
 * `router_picks_total`.
 */
export function samplesOf(prefix: string): MakeSample {
  return (name, help, type, value, labels) => ({ name: `${prefix}_${name}`, help, type, value, ...(labels && { labels }) });
}
