import type { MetricSample } from '../common/capability.js';
import { MetricFamilies, type MetricFamily, type MetricValue } from './metric-families.js';
import { resolveMetricsOptions } from './metrics.options.js';

/** Media type of the text format. */
export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Metrics of one process. */
export interface LabelledSamples {
  /** Value of the label `worker`. Default: no label. */
  readonly worker?: string;
  readonly samples: readonly MetricSample[];
}

/** Writes metrics in Prometheus' text format, without prom-client. */
export class PrometheusText {
  private readonly families: MetricFamilies;

  constructor() {
    const { prefix, maxSeries } = resolveMetricsOptions();
    this.families = new MetricFamilies(prefix, maxSeries);
  }

  /** Each process has series of its own if it has a name. */
  write(sources: readonly LabelledSamples[]): string {
    const labelled = sources.map(({ worker, samples }) =>
      worker === undefined ? samples : samples.map((sample) => ({ ...sample, labels: { ...sample.labels, worker } })),
    );
    return [...this.families.sort(labelled).values()].map(familyText).join('');
  }
}

function familyText({ name, help, type, values }: MetricFamily): string {
  const head = `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
  return head + values.map((value) => valueText(name, value)).join('');
}

function valueText(name: string, { metricName = name, sharedLabels, value }: MetricValue): string {
  const labels = Object.entries(sharedLabels).map(([label, text]) => `${label}="${escaped(String(text))}"`);
  return `${metricName}${labels.length === 0 ? '' : `{${labels.join(',')}}`} ${numberText(value)}\n`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
