import { samplesOf, type MetricSample } from '../common/capability.js';
import { FAILURE_KINDS, type ProviderFailureKind } from '../common/provider-error.js';
import type { ExactCountFigures } from './counting/exact-counts.js';
import type { CallEnd } from './call.js';
import type { ClientSpend } from './client-spend.js';
import type { CallCounts } from './settlement.js';
import type { RetryBudget } from './layers/retries.js';

/** The client's metrics. */
export function callSamples(counts: CallCounts, spend: ClientSpend, budget: RetryBudget): readonly MetricSample[] {
  const ended = (outcome: CallEnd): MetricSample => ({
    name: 'llm_client_calls_total',
    help: 'Finished calls, by outcome',
    type: 'counter',
    value: counts[outcome],
    labels: { outcome },
  });
  const tokens = (direction: 'input' | 'output', value: number): MetricSample => ({
    name: 'llm_client_tokens_total',
    help: 'Tokens as providers reported them, or estimated for sent prompts without a reported usage',
    type: 'counter',
    value,
    labels: { direction },
  });
  const estimated = (direction: 'input' | 'output', value: number): MetricSample => ({
    name: 'llm_client_estimated_tokens_total',
    help: 'The estimated part of llm_client_tokens_total: prompts without an answer, and broken streams',
    type: 'counter',
    value,
    labels: { direction },
  });
  const recovered = (cause: ProviderFailureKind): MetricSample => ({
    name: 'llm_client_recovered_calls_total',
    help: 'Calls that were answered after a deployment had failed, by the kind of the first failure',
    type: 'counter',
    value: counts.recovered.get(cause) ?? 0,
    labels: { cause },
  });
  const counter = (name: string, help: string, value: number): MetricSample => ({ name, help, type: 'counter', value });
  return [
    ended('succeeded'),
    ended('failed'),
    ended('cancelled'),
    ended('denied'),
    ended('refused'),
    { name: 'llm_client_calls_in_flight', help: 'Calls in flight', type: 'gauge', value: counts.inFlight },
    counter('llm_client_attempts_total', 'Attempts, first ones and retries', counts.attempts),
    counter('llm_client_retries_total', 'Retries within a priority tier', counts.retries),
    counter('llm_client_fallbacks_total', 'Model groups tried after another one failed', counts.fallbacks),
    ...FAILURE_KINDS.map(recovered),
    tokens('input', spend.inputTokens),
    tokens('output', spend.outputTokens),
    estimated('input', spend.estimated.inputTokens),
    estimated('output', spend.estimated.outputTokens),
    counter('llm_client_cost_usd_total', 'Cost in USD of calls with a known price, and of costs reported by the app', spend.costUsd),
    counter('llm_client_estimated_cost_usd_total', 'The part of llm_client_cost_usd_total for estimated tokens', spend.estimated.costUsd),
    counter(
      'llm_client_reported_cost_usd_total',
      'The part of llm_client_cost_usd_total that the app reported (reportUsage)',
      spend.appUsd,
    ),
    ...spend.byGroup.samples(),
    ...spend.reportedCosts.samples(),
    counter('llm_client_unpriced_calls_total', 'Calls without a known price', spend.unpricedCalls),
    counter('llm_client_retries_refused_total', 'Retries denied by the retry budget', budget.exhausted),
  ];
}

const NOTHING_COUNTED: ExactCountFigures = { counted: { provider: 0, cache: 0, local: 0 }, reasons: new Map([['unsupported', 0]]) };

/** The metrics of `countTokensExact`. */
export function exactCountSamples({ counted, reasons } = NOTHING_COUNTED): readonly MetricSample[] {
  const sample = samplesOf('llm_client_exact_counts');
  const sources = Object.entries(counted).map(([source, value]) =>
    sample('total', 'Prompts counted by countTokensExact, by source of the count', 'counter', value, { source }),
  );
  const local = [...reasons].map(([reason, value]) =>
    sample('local_total', 'Prompts not counted by a provider, by reason', 'counter', value, { reason }),
  );
  return [...sources, ...local];
}
