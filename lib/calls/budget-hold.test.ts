import type { Selection } from './call-router.js';
import { modelOutput } from './budget-hold.js';

it.each([
  [{ info: {}, params: {} }, 100],
  [{ info: {}, params: { base_model: 'named' } }, 200],
  [{ info: { base_model: 'named' }, params: {} }, 200],
  [{ info: { max_output_tokens: 300 }, params: { base_model: 'named' } }, 300],
])('takes the longest output of the model behind a deployment: %j', (deployment, expected) => {
  const selection = { deployment, model: 'own' } as unknown as Selection;
  expect(modelOutput(selection, (model) => ({ own: 100, named: 200 })[model] ?? null)).toBe(expected);
});
