import { checkInteger, checkKnownKeys, checkObject, optional } from '../common/options.js';

/** How the app is brought down: the key `shutdown`. For apps with `enableShutdownHooks()`. */
export interface ShutdownOptions {
  /**
   * For how long new requests are still taken after `/health` has begun to say that the app is not ready, in milliseconds: as long as a load balancer needs to
   * notice. Default 0.
   */
  readonly noticeMs?: number;
  /** Longest wait for requests under way, in milliseconds; those that are not done by then are cut. Default 10,000. */
  readonly drainMs?: number;
}

export type ResolvedShutdownOptions = Required<ShutdownOptions>;

const KNOWN: readonly (keyof ShutdownOptions)[] = ['noticeMs', 'drainMs'];
const HOUR_MS = 3_600_000;

/** @throws InvalidConfigurationError naming the option. */
export function resolveShutdownOptions(options: ShutdownOptions = {}): ResolvedShutdownOptions {
  const input = checkObject('shutdown', options);
  checkKnownKeys('shutdown', input, KNOWN);
  const wait = (key: keyof ShutdownOptions, fallback: number): number =>
    optional(input[key], fallback, (value) => checkInteger(`shutdown.${key}`, value, { min: 0, max: HOUR_MS }));
  return { noticeMs: wait('noticeMs', 0), drainMs: wait('drainMs', 10_000) };
}
