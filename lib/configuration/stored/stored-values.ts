import { InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import { type Fields, isObject, objectIn } from '../../common/objects.js';
import { isLiteLLMRate } from '../../common/litellm-rates.js';
import { shellVariableIn } from '../../router/config/file-values.js';
import { isInfoKey } from '../../router/config/litellm-keys.js';

/** The values of a row: those that everyone may read, and the encrypted ones by path. */
export interface DividedValues {
  readonly plain: Fields;
  readonly secret: Fields;
}

/** Parameters of a deployment that never contain a secret. All others are encrypted. */
const PLAIN: ReadonlySet<string> = new Set(
  `model custom_llm_provider api_version organization region_name aws_region_name vertex_project vertex_location vertex_ai_project
  vertex_ai_location tenant_id client_id azure_scope litellm_credential_name tags drop_params
  additional_drop_params allowed_openai_params use_chat_completions_api model_id base_model allowed_fails_policy mock_response
  budget_duration reasoning_effort service_tier verbosity modalities voice quality size style encoding_format input_type stop`.split(/\s+/),
);
/** Parameters that decide where a request, and the secrets in it, are sent. */
const ADDRESSES = ['api_base', 'base_url', 'aws_bedrock_runtime_endpoint'];
/**
 * Parameters that read files or the environment of the server, or call a service of one's choice.
 */
const OF_THE_SERVER: Readonly<Record<string, string>> = {
  aws_profile_name: 'a profile in a file of the server',
  aws_role_name: "a role of the server's identity",
  aws_web_identity_token: 'a file or a variable of the server',
  aws_sts_endpoint: 'a service that receives credentials',
};
const REFERENCE = /^\s*(?:os\.environ\/|oidc\/)/;
const SECRET_NAME = /secret|passw|credential|private_?key|api_?key|authorization|(?:^|_)token$/i;
/** PostgreSQL cannot store it. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;
const MASK = '****';
const SHOWN = 2;
/** A shorter secret is masked as a whole. */
const SHORTEST_SHOWN = 12;
const DEEPEST = 32;
/** Google's own token services: an identity in JSON can name any other address, or a program. */
const GOOGLE_TYPES: readonly unknown[] = ['service_account', 'authorized_user'];
const GOOGLE_TOKENS: readonly unknown[] = [undefined, 'https://oauth2.googleapis.com/token', 'https://accounts.google.com/o/oauth2/token'];

/**
 * Refuses values that would be resolved on the server: variables, files, and services that an
 * identity names. The API and the database contain values only.
 * @throws InvalidArgumentError naming the field
 */
export function refuseReferences(path: string, value: unknown, levels = DEEPEST): void {
  if (typeof value === 'string') {
    if (UNSTORABLE.test(value)) throw new InvalidArgumentError(path, NO_VALUE, 'must not contain U+0000 or an unpaired surrogate');
    const isReference = REFERENCE.test(value) || shellVariableIn(value) !== undefined;
    if (isReference)
      throw new InvalidArgumentError(
        path,
        NO_VALUE,
        'must be a literal value, because references are resolved only in the configuration file',
      );
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (levels === 0) throw new InvalidArgumentError(path, NO_VALUE, `must not be nested deeper than ${DEEPEST} levels`, 'NESTED_TOO_DEEP');
  for (const [key, each] of Object.entries(value))
    refuseReferences(Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`, each, levels - 1);
}

/**
 * Refuses parameters that the API cannot set.
 * @throws InvalidArgumentError naming the field
 */
export function checkStoredParams(path: string, params: Fields): void {
  refuseReferences(path, params);
  for (const [name, what] of Object.entries(OF_THE_SERVER)) {
    if (isSet(params[name]))
      throw new InvalidArgumentError(`${path}.${name}`, NO_VALUE, `must be set in the configuration file, because it names ${what}`);
  }
  for (const name of ['vertex_credentials', 'vertex_ai_credentials']) checkGoogle(`${path}.${name}`, params[name]);
  for (const name of ADDRESSES) checkAddress(`${path}.${name}`, params[name]);
}

/**
 * Refuses facts about a model that restrict or load something here.
 * @throws InvalidArgumentError naming the field
 */
export function checkStoredInfo(path: string, info: Fields): void {
  refuseReferences(path, info);
  const refuse = (name: string, rule: string): never => {
    throw new InvalidArgumentError(`${path}.${name}`, NO_VALUE, rule);
  };
  if (isSet(info.custom_tokenizer))
    refuse('custom_tokenizer', 'must be set in the configuration file, because it is read from the disk of the server');
  if (isSet(info.team_id))
    refuse('team_id', "must not be set, because it does not restrict keys here; list the model in the team's models instead");
  const secret = Object.keys(info).find((name) => SECRET_NAME.test(name) && !isInfoKey(name) && isSet(info[name]));
  if (secret !== undefined) refuse(secret, 'must be in litellm_params: model_info is not encrypted');
}

/** Divides parameters into those that are stored as they are and those that are encrypted. */
export function divided(params: Fields): DividedValues {
  const entries = Object.entries(params).filter(([, value]) => isSet(value));
  const isSecret = ([name, value]: [string, unknown]): boolean => !isPlain(name, value);
  return { plain: Object.fromEntries(entries.filter((entry) => !isSecret(entry))), secret: Object.fromEntries(entries.filter(isSecret)) };
}

/** Divides settings: those whose names sound like secrets are encrypted. */
export function dividedSettings(values: Fields): DividedValues {
  const entries = Object.entries(values);
  return {
    plain: Object.fromEntries(entries.filter(([name]) => !SECRET_NAME.test(name))),
    secret: Object.fromEntries(entries.filter(([name]) => SECRET_NAME.test(name))),
  };
}

/** The fields that decide where a deployment's secrets are sent: its addresses and its provider. */
export function addressKeyOf(params: Fields): string {
  const { model, custom_llm_provider: provider } = params;
  const slash = typeof model === 'string' ? model.indexOf('/') : -1;
  const named = isSet(provider) ? provider : slash > 0 ? (model as string).slice(0, slash) : '';
  return JSON.stringify([named, ...ADDRESSES.map((name) => params[name] ?? '')]);
}

/** The addresses that parameters set. */
export function addressesIn(params: Fields): readonly (readonly [name: string, url: URL])[] {
  return ADDRESSES.flatMap((name) => {
    const { [name]: value } = params;
    return typeof value === 'string' && URL.canParse(value) ? [[name, new URL(value)] as const] : [];
  });
}

/** A secret as it is shown: `sk****yz`. Sent back, it keeps the secret. */
export function masked(value: unknown): string {
  if (typeof value !== 'string' || value.length < SHORTEST_SHOWN) return MASK;
  return value.slice(0, SHOWN) + MASK + value.slice(-SHOWN);
}

export function isSet(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

function isPlain(name: string, value: unknown): boolean {
  if (typeof value === 'number' || typeof value === 'boolean') return true;
  if (ADDRESSES.includes(name)) return typeof value === 'string' && hasNoSecret(value);
  if (PLAIN.has(name)) return true;
  // A number as a text, as LiteLLM's clients send prices and limits.
  const isAmount = isLiteLLMRate(name) || !SECRET_NAME.test(name);
  return typeof value === 'string' && isAmount && /^\d{1,15}(?:\.\d{1,15})?(?:e-?\d{1,3})?$/i.test(value);
}

function hasNoSecret(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { search, username, password } = new URL(address);
  return search === '' && username === '' && password === '';
}

function checkAddress(path: string, value: unknown): void {
  if (!isSet(value)) return;
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:')
    throw new InvalidArgumentError(path, NO_VALUE, 'must be an http or https URL');
  if (url.username !== '' || url.password !== '') throw new InvalidArgumentError(path, NO_VALUE, 'must not contain a login: set api_key');
}

/** Other identities read files, start programs or send tokens to any address. */
function checkGoogle(path: string, value: unknown): void {
  if (!isSet(value)) return;
  const json = isObject(value) ? value : objectIn(typeof value === 'string' ? value : '');
  if (json !== undefined && GOOGLE_TYPES.includes(json.type) && GOOGLE_TOKENS.includes(json.token_uri)) return;
  const rule = "must be the JSON of a service account or of an authorized user, with Google's own token_uri";
  throw new InvalidArgumentError(path, NO_VALUE, rule);
}
