import { checkArray, checkBoolean, checkObject, checkString, joinPath, type Refuse } from '../../common/options.js';
import { checkAmount } from './file-values.js';

type Section = Readonly<Record<string, unknown>>;
/** Returns the value, converted where it is text from the environment. */
type Check = (path: string, value: unknown, refuse: Refuse) => unknown;

const checkFlag: Check = (path, value, refuse) => {
  if (typeof value === 'string' && /^(?:true|false)$/i.test(value)) return value.toLowerCase() === 'true';
  return checkBoolean(path, value, refuse);
};
const checkTexts: Check = (path, value, refuse) => checkArray(path, value, (where, name) => checkString(where, name, refuse), refuse);

/**
 * Parameters of a deployment whose readers ignore a value of another kind. Those that decide where
 * a key is sent are checked with the deployment's address.
 */
export const PARAM_KINDS: Readonly<Record<string, Check>> = {
  base_model: checkString,
  drop_params: checkFlag,
  use_chat_completions_api: checkFlag,
  additional_drop_params: checkTexts,
  allowed_openai_params: checkTexts,
  extra_body: checkObject,
  headers: checkObject,
  extra_headers: checkObject,
  default_headers: checkObject,
};

/** Such keys of `model_info`. */
export const INFO_KINDS: Readonly<Record<string, Check>> = {
  base_model: checkString,
  mode: checkString,
  max_output_tokens: checkAmount,
};

/**
 * Returns a section with the settings of these kinds checked. `null` and an empty text, which comes
 * from an empty variable, count as absent.
 * @throws what `refuse` makes, naming the setting.
 */
export function withCheckedKinds(path: string, section: Section, kinds: Readonly<Record<string, Check>>, refuse: Refuse): Section {
  const checked: Record<string, unknown> = { ...section };
  for (const [key, check] of Object.entries(kinds)) {
    const value = section[key];
    if (value !== undefined && value !== null && value !== '') checked[key] = check(joinPath(path, key), value, refuse);
  }
  return checked;
}
