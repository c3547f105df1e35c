import type { MetricSample } from '../common/capability.js';
import type { CallSpending } from './call/spending.js';
import type { CallCounts } from './call/reporter.js';
import type { RetryBudget } from './call/retry.js';

/** The client's metrics. */
export function callSamples(counts: CallCounts, spending: CallSpending, budget: RetryBudget): readonly MetricSample[] {
  const ended = (outcome: 'succeeded' | 'failed' | 'cancelled'): MetricSample => ({
    name: 'llm_client_calls_total',
    help: 'Calls to models that are over, by what came of them',
    type: 'counter',
    value: counts[outcome],
    labels: { outcome },
  });
  const tokens = (direction: 'input' | 'output', value: number): MetricSample => ({
    name: 'llm_client_tokens_total',
    help: 'Tokens that providers reported, or that were estimated where a prompt was sent and no usage came back',
    type: 'counter',
    value,
    labels: { direction },
  });
  const estimated = (direction: 'input' | 'output', value: number): MetricSample => ({
    name: 'llm_client_estimated_tokens_total',
    help: 'Of these tokens, those that no provider reported: prompts of attempts without an answer, and streams that broke',
    type: 'counter',
    value,
    labels: { direction },
  });
  const counter = (name: string, help: string, value: number): MetricSample => ({ name, help, type: 'counter', value });
  return [
    ended('succeeded'),
    ended('failed'),
    ended('cancelled'),
    { name: 'llm_client_calls_in_flight', help: 'Calls under way', type: 'gauge', value: counts.inFlight },
    counter('llm_client_attempts_total', 'Requests sent to providers', counts.attempts),
    counter('llm_client_retries_total', 'Attempts after a failure, in the same group of deployments', counts.retries),
    counter('llm_client_fallbacks_total', 'Groups that calls have turned to after a failure of another', counts.fallbacks),
    tokens('input', spending.inputTokens),
    tokens('output', spending.outputTokens),
    estimated('input', spending.estimated.inputTokens),
    estimated('output', spending.estimated.outputTokens),
    counter('llm_client_cost_usd_total', 'What those tokens cost, of calls whose price is known', spending.costUsd),
    counter('llm_client_estimated_cost_usd_total', 'Of that, what the estimated tokens cost', spending.estimated.costUsd),
    counter('llm_client_unpriced_calls_total', 'Calls whose price is not known', spending.unpricedCalls),
    counter('llm_client_retries_refused_total', 'Retries that the budget did not allow', budget.exhausted),
  ];
}
