import { InvalidConfigurationError, unshown } from '../common/errors.js';
import { fieldsOf, isObject, listOf } from '../common/objects.js';
import { joinPath } from '../common/options.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import { environmentOf, type ConfigSection } from '../router/config/config-file.js';
import { resolveEnvironmentNames, shellVariableIn } from '../router/config/file-values.js';
import type { GuardrailSource } from './guardrail-set.js';
import { refuseParam } from './guardrails.options.js';

/** Names of guardrails in the model list of a file. */
export interface DeploymentNames {
  readonly path: string;
  readonly names: unknown;
}

/**
 * The section `guardrails` of a configuration file, with the values of its variables.
 * @param given the environment, without the variables that the file sets
 * @throws InvalidConfigurationError naming a variable that is not set or not replaced: what it
 * configures would not protect.
 */
export function guardrailSourceOf(path: string, document: ConfigSection, given: Environment): GuardrailSource {
  const at = `${path}: guardrails`;
  const env = environmentOf(path, document, given, () => {});
  checkShellVariables(at, document.guardrails);
  const entries = resolveEnvironmentNames(document.guardrails, env, (name) => {
    throw new InvalidConfigurationError(at, `names the variable ${name}, which is not set`);
  });
  return { path: at, entries: entries ?? [] };
}

/** The names in `litellm_params.guardrails` of a file's model list. */
export function deploymentNamesIn(path: string, document: ConfigSection): readonly DeploymentNames[] {
  return listOf(document.model_list).flatMap((entry, at) => {
    const { guardrails } = fieldsOf(fieldsOf(entry).litellm_params);
    const isSet = guardrails !== undefined && guardrails !== null;
    return isSet ? [{ path: `${path}: model_list[${at}].litellm_params.guardrails`, names: guardrails }] : [];
  });
}

/** @throws InvalidConfigurationError for what is not a list of configured names. */
export function checkDeploymentNames(listed: readonly DeploymentNames[], has: (name: string) => boolean): void {
  for (const { path, names } of listed) {
    if (!Array.isArray(names)) throw refuseParam(path, unshown(names), 'must be a list of names');
    for (const name of listOf(names))
      if (typeof name !== 'string' || !has(name)) throw refuseParam(path, name, 'must be the guardrail_name of an entry in guardrails');
  }
}

function checkShellVariables(path: string, value: unknown): void {
  const name = shellVariableIn(value);
  if (name !== undefined)
    throw refuseParam(path, unshown(value), `must not contain \${${name}}, which is not replaced; write os.environ/${name}`);
  if (Array.isArray(value)) listOf(value).forEach((entry, at) => checkShellVariables(`${path}[${at}]`, entry));
  else if (isObject(value)) for (const [key, inner] of Object.entries(value)) checkShellVariables(joinPath(path, key), inner);
}
