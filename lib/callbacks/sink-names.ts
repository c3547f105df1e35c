import { suggestion } from '../common/nearest-name.js';

/** Callbacks of LiteLLM that are supported. */
export const SINK_NAMES = ['langfuse', 'langfuse_otel', 'otel', 'generic_api', 's3_v2'] as const;
export type SinkName = (typeof SINK_NAMES)[number];

/** Replacements for callbacks that are not supported. */
const INSTEAD: Readonly<Record<string, string>> = {
  s3: 'use s3_v2, which stores the same objects',
  prometheus: 'remove it: metrics are exposed without it (docs/observability.md)',
  opentelemetry: 'use otel',
  smtp_email: 'use general_settings.alerting with a webhook',
  resend_email: 'use general_settings.alerting with a webhook',
  slack_alerting: 'use general_settings.alerting',
  arize: 'use otel with its OTLP address',
  arize_phoenix: 'use otel with its OTLP address',
  langtrace: 'use otel with its OTLP address',
  levo: 'use otel with its OTLP address',
  weave_otel: 'use otel with its OTLP address',
  braintrust: 'use otel with its OTLP address',
  langsmith: 'use otel with its OTLP address',
  logfire: 'use otel with its OTLP address',
  opik: 'use otel with its OTLP address',
  datadog: 'use otel with the Datadog Agent, or generic_api',
  datadog_llm_observability: 'use otel with the Datadog Agent, or generic_api',
  newrelic: 'use otel with its OTLP address',
};

/** Explains why a callback has no effect, and what to do. */
export function unsupportedCallback(path: string, name: string, known: readonly string[]): string {
  const others = name.includes('.') ? 'write a call hook (docs/hooks.md)' : 'use otel, generic_api or a call hook (docs/callbacks.md)';
  const way = INSTEAD[name] ?? `${others}${suggestion(name, [...SINK_NAMES, ...known])}`;
  return `${path}: the callback ${name} has no effect here: ${way}`;
}
