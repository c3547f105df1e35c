/** What the environment says; see the README. */
export interface Settings {
  readonly redisUrl: string;
  /** Prefix of all keys in Redis. */
  readonly prefix: string;
  /** Longest wait for a reply of Redis. */
  readonly redisTimeoutMs: number;
  /** A `config.yaml` with deployments; without it two local providers answer. */
  readonly configPath?: string;
}

export function settingsOf(env: NodeJS.ProcessEnv): Settings {
  return {
    redisUrl: env.REDIS_URL ?? 'redis://127.0.0.1:6379',
    prefix: env.REDIS_PREFIX ?? 'gateway:',
    redisTimeoutMs: Number(env.REDIS_TIMEOUT_MS ?? 250),
    configPath: env.LITELLM_CONFIG,
  };
}
