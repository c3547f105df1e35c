import { errorMessage } from '../../common/errors.js';
import { checkRedisUrl, openRedisClient, type OwnedRedisClient } from '../../common/redis/client.js';
import { shownAddress } from '../shown-address.js';
import { UsageError } from '../command.js';
import { fault, ok, warning, type DoctorFinding } from './finding.js';

const TIMEOUT_MS = 2_000;
/** Latency in ms above which doctor warns, because each decision waits for Redis. */
const SLOW_MS = 20;
const PINGS = 5;

/** @throws UsageError showing the value without its password */
export function checkRedisOption(url: string): string {
  try {
    return checkRedisUrl('--redis', url, shownAddress);
  } catch (error) {
    throw new UsageError(errorMessage(error));
  }
}

/**
 * Whether Redis answers, and how fast.
 * @param url checked
 */
export async function redisFinding(url: string): Promise<DoctorFinding> {
  // The address without user and password.
  const subject = `redis ${new URL(url).host}`.trimEnd();
  let lastError: Error | undefined;
  const client = openRedisClient(url, {
    purpose: 'doctor --redis',
    connectionName: 'nestjs-fast-litellm doctor',
    timeoutMs: TIMEOUT_MS,
    onError: (error) => (lastError = error),
  });
  try {
    const slowest = await slowestPing(client);
    const detail = `responds; the slowest of ${PINGS} pings took ${slowest.toFixed(1)} ms`;
    return slowest < SLOW_MS
      ? ok(subject, detail)
      : warning(subject, detail, 'move Redis closer, because every rate limit decision waits for its response');
  } catch (error) {
    const advice = 'check the address, password and firewall; until Redis responds, limits and router state are kept per process';
    return fault(subject, `does not respond (${errorMessage(lastError ?? error)})`, advice);
  } finally {
    client.disconnect();
  }
}

async function slowestPing(client: OwnedRedisClient): Promise<number> {
  await ping(client);
  let slowest = 0;
  for (let i = 0; i < PINGS; i++) {
    const started = performance.now();
    await ping(client);
    slowest = Math.max(slowest, performance.now() - started);
  }
  return slowest;
}

async function ping(client: OwnedRedisClient): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no response within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  });
  try {
    await Promise.race([client.ping(), late]);
  } finally {
    clearTimeout(timer);
  }
}
