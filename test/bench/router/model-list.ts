import type { ModelListEntry } from '../../../lib/router/deployments/deployment.js';

/** What is asked for; behind it all deployments of a list. */
export const MODEL = 'gpt-4';

/** So many deployments of one group, of different weights and prices. */
export function modelListOf(count: number): ModelListEntry[] {
  return Array.from({ length: count }, (_, index) => ({
    model_name: MODEL,
    litellm_params: {
      model: `openai/gpt-4-${index}`,
      api_base: `https://${index}.example/v1`,
      api_key: `sk-${index}`,
      weight: 1 + (index % 5),
      input_cost_per_token: (1 + (index % 13)) * 1e-6,
      output_cost_per_token: 2e-6,
    },
    model_info: { id: `deployment-${index}` },
  }));
}
