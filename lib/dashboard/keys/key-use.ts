import type { ApiKeyService } from '../../keys/api-keys.service.js';
import type { CallsQuestion, CallSummary } from '../calls/calls-source.js';
import type { DashboardServices } from '../dashboard.services.js';

const DAY_MS = 86_400_000;
/** Calls of a spend log that pages of keys look at. */
export const USE_DAYS = 30;

/** The last days, in UTC, as a spend log needs them; nothing for the memory of this process. */
export function lastDays({ spending }: DashboardServices, nowMs: number): Pick<CallsQuestion, 'from' | 'to'> {
  const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
  return spending === undefined ? {} : { from: day(nowMs - (USE_DAYS - 1) * DAY_MS), to: day(nowMs) };
}

/** The last calls of a key, the newest first. */
export async function lastCallsOf(
  services: DashboardServices,
  publicId: string,
  limit: number,
  nowMs: number,
): Promise<readonly CallSummary[]> {
  const { calls } = await services.calls.calls({ ...lastDays(services, nowMs), filter: { key: publicId }, limit });
  return calls;
}

/** When a key was last used: in this process or, with a spend log, in any process. */
export async function lastUseOf(
  services: DashboardServices,
  keys: ApiKeyService,
  publicId: string,
  nowMs: number,
): Promise<Date | undefined> {
  const here = keys.lastUsedAt(publicId);
  const [call] = services.spending === undefined ? [] : await lastCallsOf(services, publicId, 1, nowMs);
  if (call === undefined || (here !== undefined && here >= call.startedAt)) return here;
  return call.startedAt;
}
