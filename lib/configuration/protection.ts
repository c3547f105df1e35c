import { isDeepStrictEqual } from 'node:util';
import { InvalidConfigurationError } from '../common/errors.js';
import { fieldsOf, listOf, type Fields } from '../common/objects.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import type { ConfigSection } from '../router/config/config-file.js';
import { isMeant, protectingSettings } from '../router/config/protecting-keys.js';
import { proxyBudgetIn, proxySettingsIn, type LiteLLMProxySettings } from '../router/config/proxy-settings.js';
import { guardrailViolation } from './guardrail-protection.js';
import type { Deployment } from '../router/deployments/deployment.js';

/** A configuration, with the facts that protection depends on. */
export interface ProtectedConfiguration {
  /** Path of the file, for errors. */
  readonly path: string;
  readonly document: ConfigSection;
  readonly env: Environment | undefined;
  /** The deployments of the file, without those that the API has added. */
  readonly deployments: readonly Deployment[];
}

/** One kind of protection. */
interface Protection {
  /** The setting, for errors. */
  readonly setting: string;
  /**
   * Returns the rule that a reload would violate; `undefined` if the new configuration protects as
   * well as the one in use.
   */
  readonly violation: (before: Facts, after: Facts) => string | Violation | undefined;
}

/** A violation that names its own setting. */
interface Violation {
  readonly setting: string;
  readonly rule: string;
}

/** A configuration, and the settings read from it. */
interface Facts extends ProtectedConfiguration {
  readonly proxy: LiteLLMProxySettings;
}

const RESTART = 'restart the app to apply it';

/**
 * Protection that a reload must not remove or weaken, because a truncated file can still be valid
 * YAML, and a mistake must not open a running gateway. Adding a budget, raising one, or adding a
 * restriction that the app handles is allowed. A restart applies any file.
 */
const PROTECTIONS: readonly Protection[] = [
  {
    setting: 'model_list',
    violation: ({ document: before }, { document: after }) =>
      listOf(before.model_list).length > 0 && listOf(after.model_list).length === 0
        ? `must not become empty while the app runs; ${RESTART}`
        : undefined,
  },
  {
    setting: 'general_settings.master_key',
    violation: ({ proxy: before }, { proxy: after }) =>
      before.masterKey === after.masterKey ? undefined : `must not change while the app runs; ${RESTART}`,
  },
  {
    setting: 'general_settings.litellm_key_header_name',
    violation: ({ proxy: before }, { proxy: after }) =>
      before.keyHeader === after.keyHeader ? undefined : `must not change while the app runs; ${RESTART}`,
  },
  {
    setting: 'general_settings.dangerously_permit_weak_or_unset_master_key',
    violation: ({ proxy: before }, { proxy: after }) => mustStayOff(before.permitsWeakMasterKey, after.permitsWeakMasterKey),
  },
  {
    setting: 'general_settings.dangerously_allow_mock_testing_request_params',
    violation: ({ document: before }, { document: after }) => mustStayOff(allowsMocks(before), allowsMocks(after)),
  },
  {
    setting: 'general_settings',
    violation: ({ proxy: before }, { proxy: after }) => {
      const changed = [...before.authentication, ...after.authentication].find(
        (name) => !before.authentication.includes(name) || !after.authentication.includes(name),
      );
      return changed === undefined ? undefined : { setting: changed, rule: `must not be added or removed while the app runs; ${RESTART}` };
    },
  },
  {
    setting: 'guardrails',
    violation: ({ document: before }, { document: after }) => guardrailViolation(before, after),
  },
  {
    // Allowed routes, allowed addresses and everything else that rejects requests.
    setting: 'general_settings',
    violation: ({ document: before }, { document: after }) => {
      const [known, next] = [protectingSettings(before), protectingSettings(after)];
      for (const [setting, value] of known) {
        if (!next.has(setting)) return { setting, rule: `must not be removed while the app runs; ${RESTART}` };
        if (!isDeepStrictEqual(next.get(setting), value)) return { setting, rule: `must not change while the app runs; ${RESTART}` };
      }
      return undefined;
    },
  },
  {
    setting: 'litellm_settings.max_budget',
    violation: (before, after) => (proxyBudgetIn(before) !== undefined && proxyBudgetIn(after) === undefined ? mustStay() : undefined),
  },
  {
    setting: 'router_settings.provider_budget_config',
    violation: ({ document: before }, { document: after }) => {
      const [known, next] = [providerBudgets(before), providerBudgets(after)];
      const lost = Object.keys(known).find((provider) => next[provider] === undefined || next[provider] === null);
      return lost === undefined ? undefined : { setting: `router_settings.provider_budget_config.${lost}`, rule: mustStay() };
    },
  },
  {
    setting: 'model_list',
    violation: ({ deployments: before }, { deployments: after }) => {
      const next = new Map(after.map((deployment) => [deployment.id, deployment]));
      const lost = before.find(({ id, budget }) => budget !== undefined && next.has(id) && next.get(id)?.budget === undefined);
      return lost === undefined ? undefined : { setting: `model_list['${lost.id}'].litellm_params.max_budget`, rule: mustStay() };
    },
  },
  {
    // Tags separate the deployments of tenants.
    setting: 'router_settings.enable_tag_filtering',
    violation: ({ document: before }, { document: after }) => (filtersTags(before) && !filtersTags(after) ? mustStay() : undefined),
  },
];

/**
 * Checks that a configuration protects as well as the one in use.
 * @throws InvalidConfigurationError naming the setting and the rule; no values.
 */
export function checkProtection(before: ProtectedConfiguration, after: ProtectedConfiguration): void {
  const [known, next] = [factsOf(before), factsOf(after)];
  for (const { setting, violation } of PROTECTIONS) {
    const found = violation(known, next);
    if (found === undefined) continue;
    const { setting: named, rule } = typeof found === 'string' ? { setting, rule: found } : found;
    throw new InvalidConfigurationError(`${after.path}: ${named}`, rule);
  }
}

function factsOf(configuration: ProtectedConfiguration): Facts {
  return { ...configuration, proxy: proxySettingsIn(configuration) };
}

function mustStay(): string {
  return `must not be removed while the app runs; ${RESTART}`;
}

function mustStayOff(before: boolean, after: boolean): string | undefined {
  return after && !before ? `must not be switched on while the app runs; ${RESTART}` : undefined;
}

function allowsMocks({ general_settings: general }: ConfigSection): boolean {
  return isMeant(fieldsOf(general).dangerously_allow_mock_testing_request_params);
}

function providerBudgets({ router_settings: settings }: ConfigSection): Fields {
  return fieldsOf(fieldsOf(settings).provider_budget_config);
}

function filtersTags({ router_settings: settings }: ConfigSection): boolean {
  return isMeant(fieldsOf(settings).enable_tag_filtering);
}
