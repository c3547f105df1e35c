import { suggestion } from '../../common/nearest-name.js';
import type { ResolvedRouterSettings, RouterSettings } from '../settings.js';
import type { NameResolution } from './name-resolution.js';

const EVERY_MODEL = '*';

/**
 * Warns about names in the settings that are not a model group, alias or wildcard: such a fallback
 * never answers, and such a policy never applies.
 * @param pathOf the path of a setting
 */
export function unknownGroups(
  names: NameResolution,
  settings: ResolvedRouterSettings,
  pathOf: (key: keyof RouterSettings) => string,
): readonly string[] {
  if (names.groups.size === 0) return [];
  const choices = [...names.groups.keys(), ...settings.aliases.keys()];
  // Chains are also looked up without the provider of a name.
  const bare = new Set(choices.map((name) => name.slice(name.indexOf('/') + 1)));
  const warnings = new Set<string>();
  const check = (key: keyof RouterSettings, name: string, isSource = false): void => {
    if (name === EVERY_MODEL || names.has(name) || (isSource && bare.has(name))) return;
    warnings.add(`${pathOf(key)}: ${JSON.stringify(name)} is not a model group${suggestion(name, choices)}`);
  };
  for (const [kind, key] of [
    ['general', 'fallbacks'],
    ['context_window', 'contextWindowFallbacks'],
    ['content_policy', 'contentPolicyFallbacks'],
  ] as const)
    for (const [source, targets] of settings.fallbacks[kind]) {
      check(key, source, true);
      for (const { model } of targets) check(key, model);
    }
  for (const model of settings.defaultFallbacks) check('defaultFallbacks', model);
  for (const [, { model }] of settings.aliases) check('modelGroupAlias', model);
  for (const model of Object.keys(settings.modelGroupRetryPolicy)) check('modelGroupRetryPolicy', model);
  for (const model of settings.strategyOfModel.keys()) check('routingGroups', model);
  return [...warnings];
}
