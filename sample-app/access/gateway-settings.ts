import { readLiteLLMProxySettings } from 'nestjs-fast-litellm';
import { listenAddress, StartError } from '../listen-address.js';
import { ApiKeys } from './api-keys.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Settings of LiteLLM's proxy that this gateway supports. */
export const ENFORCED_SETTINGS = ['general_settings.master_key', 'general_settings.litellm_key_header_name'];

/** Settings of LiteLLM's proxy that the operator gives up: `IGNORE_LITELLM_SETTINGS`. */
export function ignoredSettings(env: Environment): readonly string[] {
  return listOf(env.IGNORE_LITELLM_SETTINGS);
}

/** The example key of LiteLLM's documentation. */
const PUBLIC_MASTER_KEY = 'sk-1234';
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i;

/** Access settings of the gateway. */
export interface GatewaySettings {
  readonly keys: ApiKeys;
  readonly masterKey: string | null;
  /** The only header that keys are read from; `null`: those of LiteLLM's proxy. */
  readonly keyHeader: string | null;
  /** A file with more keys; `null`: there are none. */
  readonly keysFile: string | null;
  /** Origins of web sites that may call the gateway; `*`: all. */
  readonly corsOrigins: readonly string[];
  /** Host names under which a browser may call the gateway; `null`: any. */
  readonly hosts: readonly string[] | null;
  /** Warnings for the operator. */
  readonly notices: readonly string[];
}

/**
 * Reads the access settings: `general_settings` of `LITELLM_CONFIG`, else `LITELLM_MASTER_KEY`;
 * `PRO_API_KEYS`, `API_KEYS_FILE`, `CORS_ORIGINS`, `ALLOWED_HOSTS`, `HOST`.
 * @throws StartError for a LiteLLM setting that is not supported and would leave the gateway more
 * open than LiteLLM's proxy; `InvalidConfigurationError` for the file.
 */
export function readGatewaySettings(env: Environment): GatewaySettings {
  const configPath = env.LITELLM_CONFIG?.trim() || undefined;
  const proxy = readLiteLLMProxySettings(configPath, env);
  const { masterKey } = proxy;
  const { host } = listenAddress(env);
  const isLocal = LOOPBACK.test(host);
  const ignored = ignoredSettings(env);
  const open = [...proxy.restrictions, ...(masterKey === null ? proxy.authentication : [])].filter((name) => !ignored.includes(name));
  if (open.length > 0) {
    throw new StartError(
      `${configPath}: ${open.join(', ')} not supported: the gateway would be more open than LiteLLM's proxy; ` +
        `remove ${open.length === 1 ? 'it' : 'them'} from the file, or set IGNORE_LITELLM_SETTINGS=${open.join(',')}`,
    );
  }
  const isWeak = masterKey === null || masterKey === PUBLIC_MASTER_KEY;
  if (configPath !== undefined && isWeak && !isLocal && !proxy.permitsWeakMasterKey) {
    throw new StartError(
      `${configPath}: general_settings.master_key ${masterKey === null ? 'is not set' : 'is the public one of the documentation'}: ` +
        `set it (or LITELLM_MASTER_KEY) to a key of your own, or HOST to 127.0.0.1`,
    );
  }
  const others = masterKey === null ? [] : proxy.authentication;
  const keysFile = env.API_KEYS_FILE || null;
  return {
    keys: new ApiKeys({ masterKey, others: proKeys(env, masterKey), header: proxy.keyHeader }),
    masterKey,
    keyHeader: proxy.keyHeader,
    keysFile,
    corsOrigins: listOf(env.CORS_ORIGINS).map(checkOrigin),
    // DNS rebinding: any web site can point its own name at this machine's address.
    hosts: masterKey === null && isLocal ? [...listOf(env.ALLOWED_HOSTS), host].map((name) => name.toLowerCase()) : null,
    notices: [
      ...(masterKey === null ? [] : ['Gateway: a key is needed for everything but /health and the dashboard']),
      ...(masterKey === null || keysFile !== null ? [] : ['Gateway: set API_KEYS_FILE to a file for the keys that /key/generate makes']),
      ...(others.length === 0 ? [] : [`Gateway: ${others.join(', ')} not supported; clients without the master key get 401`]),
      ...(ignored.length === 0 ? [] : [`Gateway: ${ignored.join(', ')} ignored, as IGNORE_LITELLM_SETTINGS says`]),
    ],
  };
}

/** The demo key is public, so it is not accepted when a master key is set. */
function proKeys(env: Environment, masterKey: string | null): readonly string[] {
  const given = env.PRO_API_KEYS;
  return given === undefined && masterKey === null ? ['sk-pro-demo'] : listOf(given);
}

function listOf(text: string | undefined): string[] {
  return (text ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

function checkOrigin(origin: string): string {
  if (origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin)) return origin;
  throw new StartError(`CORS_ORIGINS must be origins such as https://app.example.com, or *, got ${JSON.stringify(origin)}`);
}
