import type { FastLiteLLM } from '../../fast-litellm.js';
import type { Deployment } from '../../router/deployments/deployment.js';
import { CANNOT_BE_CALLED } from '../../router/deployments/callability.js';
import { ENCODING_NAMES } from '../../token-counter/engine/engine.js';
import { fault, ok, warning, type DoctorFinding } from './finding.js';

/** Which deployments cannot be called, and which models have no price. */
export function deploymentFindings({ router }: FastLiteLLM): DoctorFinding[] {
  const states = router.status();
  const found = states.flatMap(({ id, uncallable }) =>
    uncallable === undefined ? [] : [fault(`deployment ${id}`, uncallable.reason, uncallable.remedy || 'change its entry in model_list')],
  );
  const callable = states.length - found.length;
  const groups = new Set(states.map(({ group }) => group));
  const open = new Set(states.flatMap(({ group, uncallable }) => (uncallable === undefined ? group : [])));
  const closed = [...groups].filter((group) => !open.has(group));
  if (closed.length > 0) found.unshift(fault('model groups', `no deployment of ${closed.join(', ')} can be called`, GROUP_ADVICE));
  if (callable > 0) {
    const detail = `${callable} of ${states.length} can be called, in ${open.size} of ${groups.size} model groups`;
    found.unshift(ok('deployments', detail));
  }
  if (states.length === 0) found.push(warning('deployments', 'none configured', 'add a model_list to the file'));
  const unpriced = unpricedModels(router.deployments());
  if (unpriced.length > 0)
    found.push(warning('prices', `no price is known for ${unpriced.join(', ')}, so their cost is not counted`, PRICE_ADVICE));
  return found;
}

/** Which model groups have a tokenizer of their own, and which open models are estimated. */
export function openModelFindings({ router, tokenCounter }: FastLiteLLM): DoctorFinding[] {
  const loaded = new Set<string>();
  const modelsOf = new Map<string, Set<string>>();
  for (const { group, model } of router.status()) {
    const { approximate, encoding } = tokenCounter.countRequest({ model: group, prompt: '' });
    if (!approximate && !(ENCODING_NAMES as readonly string[]).includes(encoding)) loaded.add(group);
    if (!approximate) continue;
    const { exactWith } = tokenCounter.countRequest({ model, prompt: '' });
    if (exactWith !== undefined) modelsOf.set(exactWith, (modelsOf.get(exactWith) ?? new Set()).add(model));
  }
  return [
    ...(loaded.size > 0 ? [ok('tokenizer', `loaded for ${[...loaded].join(', ')}`)] : []),
    ...Array.from(modelsOf, ([exactWith, models]) => warning('tokenizer', `tokens of ${[...models].join(', ')} are estimated`, exactWith)),
  ];
}

/** Settings of the file that are unknown, misspelt or without effect: the app starts with them. */
export function settingFindings({ router, callbacks, alerting }: FastLiteLLM): DoctorFinding[] {
  // Deployments that cannot be called have findings of their own.
  const warnings = router.warnings.filter((line) => !line.includes(CANNOT_BE_CALLED));
  const ofCallbacks = [...(callbacks?.warnings ?? []), ...(alerting?.warnings ?? [])];
  return [
    ...warnings.map((line) => warning('settings', line, adviceFor(line))),
    ...ofCallbacks.map((line) => warning('callbacks', line, 'docs/callbacks.md lists the callbacks and alerts that work')),
  ];
}

/**
 * In a `*` group the request names the model. Embeddings and reranks have a price only for their
 * input.
 */
export function unpricedModels(deployments: readonly Deployment[]): readonly string[] {
  const unpriced = deployments.filter(
    (deployment) => deployment.isSelectable && !deployment.model.includes('*') && deployment.costUsd(1, 0) === undefined,
  );
  return [...new Set(unpriced.map(({ model }) => model))];
}

function adviceFor(line: string): string {
  if (/variable \S+,? (?:which )?is not set$/.test(line)) return "set it in the app's environment";
  if (line.includes(' protects the gateway')) return "list it in router.handledSettings once the app's own routes have a guard";
  return /without effect|no effect here|unknown option|sent with every request/.test(line) ? SETTING_ADVICE : 'change it in the file';
}

const GROUP_ADVICE = 'fix one of its deployments below, or remove the group from the file';
const SETTING_ADVICE = 'correct the name, or remove it from the file (docs/coming-from-litellm.md lists the settings that work)';
const PRICE_ADVICE =
  'set base_model, or input_cost_per_token and output_cost_per_token, in the deployment; or write a price file with npx nestjs-fast-litellm prices and set tokenCounter.pricing.source to its path';
