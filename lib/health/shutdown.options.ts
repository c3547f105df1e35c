import { checkInteger, checkKnownKeys, checkObject, optional } from '../common/options.js';

/** Shutdown of the app (`shutdown`). For apps with `enableShutdownHooks()`. */
export interface ShutdownOptions {
  /**
   * How long new requests are accepted after `/health` reports not ready, in milliseconds: as long
   * as a load balancer needs to notice. Default 0.
   */
  readonly noticeMs?: number;
  /** Longest wait for requests in flight, in milliseconds; the rest are aborted. Default 10,000. */
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
