import { checkArray, checkObject, checkString, joinPath } from '../../common/options.js';
import { refuseFileValue } from './file-values.js';

type Section = Readonly<Record<string, unknown>>;

const NAME = 'litellm_credential_name';

/**
 * Fills in the parameters of entries that name a credential of LiteLLM's `credential_list`. As
 * there, parameters of the entry itself take precedence. An entry whose credential is not listed
 * keeps the name, which makes the deployment uncallable.
 * @throws InvalidConfigurationError naming the place in the list
 */
export function withCredentials(path: string, list: unknown, modelList: readonly unknown[]): readonly unknown[] {
  const credentials = new Map(checkArray(path, list ?? [], readCredential, refuseFileValue));
  if (credentials.size === 0) return modelList;
  return modelList.map((entry) => {
    const params = (entry as { litellm_params?: Section | null } | null)?.litellm_params;
    const values = credentials.get(params?.[NAME]);
    if (params === undefined || params === null || values === undefined) return entry;
    const own = Object.entries(params).filter(([key, value]) => key !== NAME && value !== null && value !== undefined);
    return { ...(entry as Section), litellm_params: { ...values, ...Object.fromEntries(own) } };
  });
}

function readCredential(path: string, value: unknown): readonly [unknown, Section] {
  const { credential_name: name, credential_values: values } = checkObject(path, value, refuseFileValue);
  const at = joinPath(path, 'credential_values');
  return [checkString(joinPath(path, 'credential_name'), name, refuseFileValue), checkObject(at, values, refuseFileValue)];
}
