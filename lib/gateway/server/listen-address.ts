import { InvalidConfigurationError } from '../../common/errors.js';
import type { Environment } from '../../feature-flags/feature-flags.environment.js';
import { readLiteLLMProxySettings, type LiteLLMProxySettings } from '../../router/config/proxy-settings.js';

/** The address that a server listens on. */
export interface ListenAddress {
  /** Name or address of an interface: `127.0.0.1`, `0.0.0.0`, `::`. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i;
/** Keys that LiteLLM's documentation prints: the first ones that an attacker tries. */
const PUBLISHED_KEYS: ReadonlySet<string> = new Set(['sk-1234', 'sk-12345', 'sk-123456', 'sk-my-master-key', 'sk-litellm-master-key']);
const LEAST_LENGTH = 16;

const LISTEN_FAILURES: Readonly<Record<string, (address: ListenAddress) => string>> = {
  EADDRINUSE: ({ host, port }) => `port ${port} on ${host} is already in use; set PORT to another one, or to 0 for any free port`,
  EACCES: ({ host, port }) => `port ${port} on ${host} is not allowed for this user; set PORT to 1024 or above`,
  ENOTFOUND: ({ host }) => `${host} is not an address of this machine; set HOST to one that is`,
  EADDRNOTAVAIL: ({ host }) => `${host} is not an address of this machine; set HOST to one that is`,
};

/** Whether only clients on this machine can reach a server that listens there. */
export function isLoopbackHost(host: string): boolean {
  return LOOPBACK.test(host);
}

/**
 * Why a master key protects nothing from other machines: it `is not set`, is printed in
 * documentation, or is shorter than 16 characters. `undefined` for a key that does.
 */
export function masterKeyWeakness(masterKey: string | null): string | undefined {
  if (masterKey === null) return 'is not set';
  if (PUBLISHED_KEYS.has(masterKey)) return 'is an example from the documentation';
  return masterKey.length < LEAST_LENGTH ? `has fewer than ${LEAST_LENGTH} characters` : undefined;
}

/** Settings of `checkListenHost`. */
export interface ListenHostContext {
  /** LiteLLM's `config.yaml`. Default: only the environment is read. */
  readonly configPath?: string;
  /** Default `process.env`. */
  readonly env?: Environment;
  /** The settings of that file, if they were read before. */
  readonly settings?: Pick<LiteLLMProxySettings, 'masterKey' | 'permitsWeakMasterKey'>;
}

/**
 * Rejects an address that other machines can reach if the gateway has no master key of at least 16
 * characters, or one from the documentation, unless LiteLLM's
 * `dangerously_permit_weak_or_unset_master_key` is set. Loopback addresses are always allowed.
 * @throws InvalidConfigurationError naming the setting, never the key
 */
export function checkListenHost(host: string, { configPath, env, settings }: ListenHostContext = {}): void {
  if (isLoopbackHost(host)) return;
  const { masterKey, permitsWeakMasterKey } = settings ?? readLiteLLMProxySettings(configPath, env);
  const weakness = masterKeyWeakness(masterKey);
  if (permitsWeakMasterKey || weakness === undefined) return;
  throw new InvalidConfigurationError(
    `${configPath ?? 'the environment'}: general_settings.master_key`,
    `${weakness}, and other machines can reach ${host}; set LITELLM_MASTER_KEY to a random key of at least ${LEAST_LENGTH} characters, or HOST to 127.0.0.1`,
  );
}

/**
 * Explains in one line why a server could not listen, and what to change; `undefined` for other
 * errors.
 */
export function listenFailure(error: unknown, address: ListenAddress): string | undefined {
  return LISTEN_FAILURES[(error as NodeJS.ErrnoException | undefined)?.code ?? '']?.(address);
}
