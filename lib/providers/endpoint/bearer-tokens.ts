/** A token of a service that grants them. */
export interface AccessToken {
  readonly token: string;
  readonly expiresAtMs: number;
}

/** Requests of the token before it expires get the next one. */
const EARLY_MS = 5 * 60_000;
/** Requests that were refused together renew once. */
const JUST_FETCHED_MS = 5_000;

/**
 * One token for all requests: fetched once for all waiting requests, renewed in the background
 * before it expires, and fetched again after a provider rejected it.
 */
export class BearerTokens {
  private current: AccessToken | undefined = undefined;
  private fetching: Promise<string> | undefined = undefined;
  private fetchedAtMs = 0;
  private isRefused = false;

  /** @param fetchToken `isRefused`: the last one was not accepted, also if it has not expired */
  constructor(
    private readonly fetchToken: (isRefused: boolean) => Promise<AccessToken>,
    private readonly now: () => number = Date.now,
  ) {}

  /** The token at hand, for messages that must not show it. */
  get known(): string | undefined {
    return this.current?.token;
  }

  /** @throws the error of `fetchToken` */
  get(): string | Promise<string> {
    const { current } = this;
    const leftMs = current === undefined ? 0 : current.expiresAtMs - this.now();
    if (current === undefined || leftMs <= 0) return this.fetch();
    // The old token usually outlives a failure of the service.
    if (leftMs < EARLY_MS) this.fetch().catch(() => {});
    return current.token;
  }

  /** The provider refused the token. */
  renew(): void {
    if (this.current === undefined || this.now() - this.fetchedAtMs < JUST_FETCHED_MS) return;
    this.current = undefined;
    this.isRefused = true;
  }

  private fetch(): Promise<string> {
    this.fetching ??= this.fetchOnce().finally(() => (this.fetching = undefined));
    return this.fetching;
  }

  private async fetchOnce(): Promise<string> {
    this.current = await this.renewed();
    this.fetchedAtMs = this.now();
    return this.current.token;
  }

  private async renewed(): Promise<AccessToken> {
    const { isRefused } = this;
    const token = await this.fetchToken(isRefused);
    if (isRefused) this.isRefused = false;
    return token;
  }
}

const shared = new Map<string, WeakRef<BearerTokens>>();

/** The same tokens for the same identity, as long as a deployment has them. */
export function sharedTokens(identity: string, make: () => BearerTokens): BearerTokens {
  const known = shared.get(identity)?.deref();
  if (known !== undefined) return known;
  for (const [key, tokens] of shared) if (tokens.deref() === undefined) shared.delete(key);
  const made = make();
  shared.set(identity, new WeakRef(made));
  return made;
}
