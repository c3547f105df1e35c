import { sampleOf, samplesOf, type MetricSample } from '../common/capability.js';
import { FAILURE_KINDS, type ProviderFailureKind } from '../common/provider-error.js';
import type { ExactCountFigures } from './counting/exact-counts.js';
import type { CallEnd } from './call.js';
import type { ClientSpend } from './client-spend.js';
import type { CallCounts } from './call-settlement.js';
import type { RetryBudget } from './layers/retries.js';

/** The client's metrics. */
export function callSamples(counts: CallCounts, spend: ClientSpend, budget: RetryBudget): readonly MetricSample[] {
  const counter = (name: string, help: string, value: number, labels?: MetricSample['labels']): MetricSample =>
    sampleOf(`llm_client_${name}`, help, 'counter', value, labels);
  const ended = (outcome: CallEnd): MetricSample => counter('calls_total', 'Finished calls, by outcome', counts[outcome], { outcome });
  const tokensHelp = 'Tokens reported by providers, or estimated for sent prompts without a reported usage';
  const tokens = (direction: string, value: number): MetricSample => counter('tokens_total', tokensHelp, value, { direction });
  const estimatedHelp = 'The estimated part of llm_client_tokens_total: prompts without an answer, and broken streams';
  const estimated = (direction: string, value: number): MetricSample =>
    counter('estimated_tokens_total', estimatedHelp, value, { direction });
  const recoveredHelp = 'Calls answered after a deployment failed, by the kind of the first failure';
  const recovered = (cause: ProviderFailureKind): MetricSample =>
    counter('recovered_calls_total', recoveredHelp, counts.recovered.get(cause) ?? 0, { cause });
  return [
    ended('succeeded'),
    ended('failed'),
    ended('cancelled'),
    ended('denied'),
    ended('refused'),
    sampleOf('llm_client_calls_in_flight', 'Calls in flight', 'gauge', counts.inFlight),
    counter('attempts_total', 'Requests sent to providers', counts.attempts),
    counter('retries_total', 'Retries within a priority tier', counts.retries),
    counter('fallbacks_total', 'Fallbacks to another model group', counts.fallbacks),
    ...FAILURE_KINDS.map(recovered),
    tokens('input', spend.inputTokens),
    tokens('output', spend.outputTokens),
    estimated('input', spend.estimated.inputTokens),
    estimated('output', spend.estimated.outputTokens),
    counter('cost_usd_total', 'Cost in USD of calls with a known price, and of costs reported by the app', spend.costUsd),
    counter('estimated_cost_usd_total', 'The part of llm_client_cost_usd_total for estimated tokens', spend.estimated.costUsd),
    counter('reported_cost_usd_total', 'The part of llm_client_cost_usd_total that the app reported (reportUsage)', spend.appUsd),
    ...spend.byGroup.samples(),
    ...spend.reportedCosts.samples(),
    counter('unpriced_calls_total', 'Calls without a known price', spend.unpricedCalls),
    counter('retries_refused_total', 'Retries denied by the retry budget', budget.exhausted),
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
