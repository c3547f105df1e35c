import { suggestion } from '../common/nearest-name.js';

/** Callbacks of LiteLLM that are supported. */
export const SINK_NAMES = ['langfuse', 'langfuse_otel', 'otel', 'generic_api', 's3_v2'] as const;
export type SinkName = (typeof SINK_NAMES)[number];

/** Replacements for callbacks that are not supported. */
const INSTEAD: Readonly<Record<string, string>> = {
  s3: 'use s3_v2, which stores the same objects',
  prometheus: 'remove it, because metrics are always exposed (docs/observability.md)',
  opentelemetry: 'use otel',
  smtp_email: 'use general_settings.alerting with a webhook',
  resend_email: 'use general_settings.alerting with a webhook',
  slack_alerting: 'use general_settings.alerting',
  arize: 'use otel with the OTLP endpoint of the service',
  arize_phoenix: 'use otel with the OTLP endpoint of the service',
  langtrace: 'use otel with the OTLP endpoint of the service',
  levo: 'use otel with the OTLP endpoint of the service',
  weave_otel: 'use otel with the OTLP endpoint of the service',
  braintrust: 'use otel with the OTLP endpoint of the service',
  langsmith: 'use otel with the OTLP endpoint of the service',
  logfire: 'use otel with the OTLP endpoint of the service',
  opik: 'use otel with the OTLP endpoint of the service',
  datadog: 'use otel with the Datadog Agent, or generic_api',
  datadog_llm_observability: 'use otel with the Datadog Agent, or generic_api',
  newrelic: 'use otel with the OTLP endpoint of the service',
};

/** Explains why a callback has no effect, and what to do. */
export function unsupportedCallback(name: string, known: readonly string[]): string {
  const others = name.includes('.') ? 'write a call hook (docs/hooks.md)' : 'use otel, generic_api or a call hook (docs/callbacks.md)';
  const way = INSTEAD[name] ?? `${others}${suggestion(name, [...SINK_NAMES, ...known])}`;
  return `the callback ${name} has no effect here; ${way}`;
}
