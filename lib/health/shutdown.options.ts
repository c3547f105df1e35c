import { integer, resolveOptions, type OptionsOf, type Resolved } from '../common/option.js';

const HOUR_MS = 3_600_000;

export const SHUTDOWN = {
  /**
   * How long new requests are accepted after `/health` reports not ready, in milliseconds: as long
   * as a load balancer needs to notice. Default 0.
   */
  noticeMs: integer({ min: 0, max: HOUR_MS, default: 0 }),
  /** Longest wait for requests in flight, in milliseconds; the rest are aborted. Default 10,000. */
  drainMs: integer({ min: 0, max: HOUR_MS, default: 10_000 }),
};

/** Shutdown of the app (`shutdown`). For apps with `enableShutdownHooks()`. */
export interface ShutdownOptions extends OptionsOf<typeof SHUTDOWN> {}
export interface ResolvedShutdownOptions extends Resolved<typeof SHUTDOWN> {}

/** @throws InvalidConfigurationError naming the option. */
export function resolveShutdownOptions(options: ShutdownOptions = {}): ResolvedShutdownOptions {
  return resolveOptions(SHUTDOWN, 'shutdown', options);
}
