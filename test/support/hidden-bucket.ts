import type { RouterService } from '../../lib/router/router.service.js';
import type { StandingClock } from './router-engines.js';

/** How a simulated provider limits requests. */
export interface BucketRules {
  /** Requests a minute, at a time since the start. */
  readonly perMinuteAt: (atMs: number) => number;
  /** Seconds of the rate that it saves up. */
  readonly savesSeconds: number;
  /** Whether its answers tell limit, rest and reset, in OpenAI's headers. */
  readonly tells: boolean;
  /** Whether the whole limit comes back at the end of each minute, in place of bit by bit. */
  readonly isStepped?: boolean;
}

/** What came of a simulated load. */
export interface BucketUse {
  /** Attempts that were answered 429, as a share of all attempts. */
  readonly refused: number;
  /** Requests served, as a share of those that the bucket had. */
  readonly used: number;
}

/** A provider's limit that the router is not told in its configuration. */
export class HiddenBucket {
  private level: number;
  private atMs = 0;

  constructor(private readonly rules: BucketRules) {
    this.level = this.capacityAt(0);
  }

  capacityAt(atMs: number): number {
    return Math.max(1, (this.rules.perMinuteAt(atMs) / 60) * this.rules.savesSeconds);
  }

  /** Answers a request: its headers, and whether it was served. */
  ask(atMs: number): { readonly isServed: boolean; readonly headers: Headers; readonly retryAfterMs: number } {
    const perMs = this.rules.perMinuteAt(atMs) / 60_000;
    const capacity = this.capacityAt(atMs);
    if (this.rules.isStepped === true) {
      if (Math.floor(atMs / 60_000) > Math.floor(this.atMs / 60_000)) this.level = capacity;
    } else this.level = Math.min(capacity, this.level + (atMs - this.atMs) * perMs);
    this.atMs = atMs;
    const isServed = this.level >= 1;
    if (isServed) this.level--;
    const windowMs = 60_000 - (atMs % 60_000);
    const resetMs = this.rules.isStepped === true ? windowMs : (capacity - this.level) / perMs;
    const retryAfterMs = this.rules.isStepped === true ? windowMs : Math.ceil((1 - this.level) / perMs / 1_000) * 1_000;
    const headers = new Headers();
    if (this.rules.tells) {
      headers.set('x-ratelimit-limit-requests', String(Math.floor(capacity)));
      headers.set('x-ratelimit-remaining-requests', String(Math.floor(this.level)));
      headers.set('x-ratelimit-reset-requests', `${Math.round(resetMs)}ms`);
    }
    return { isServed, headers, retryAfterMs };
  }
}

const STEP_MS = 10;
const MOST_IN_FLIGHT = 50;

/** Sends whatever the router lets go for `minutes`, and counts from the second minute on. */
export function useOf(router: RouterService, clock: StandingClock, rules: BucketRules, minutes: number): BucketUse {
  const bucket = new HiddenBucket(rules);
  const startMs = clock.nowMs;
  const ends: { readonly atMs: number; readonly end: () => void }[] = [];
  const counts = { attempts: 0, refused: 0, served: 0, had: 0 };
  let seed = 11;
  const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  for (let atMs = 0; atMs < minutes * 60_000; atMs += STEP_MS) {
    clock.nowMs = startMs + atMs;
    while (ends.length > 0 && ends[0].atMs <= atMs) ends.shift()?.end();
    const isCounted = atMs >= 60_000;
    if (isCounted) counts.had += (rules.perMinuteAt(atMs) / 60_000) * STEP_MS;
    while (ends.length < MOST_IN_FLIGHT && router.getAvailableDeployment('m') !== null) {
      const pick = router.acquire('m');
      const { isServed, headers, retryAfterMs } = bucket.ask(atMs);
      if (isCounted) counts[isServed ? 'served' : 'refused']++;
      if (isCounted) counts.attempts++;
      // A 429 comes at once, an answer takes its time.
      const latencyMs = isServed ? 200 + random() * 600 : 30;
      const end = (): void => {
        router.learnLimits(pick, headers);
        if (isServed) router.succeeded(pick, { latencyMs });
        else router.failed(pick, { status: 429, retryAfterMs });
      };
      ends.push({ atMs: atMs + latencyMs, end });
      ends.sort((a, b) => a.atMs - b.atMs);
    }
  }
  return { refused: counts.refused / counts.attempts, used: counts.served / counts.had };
}
