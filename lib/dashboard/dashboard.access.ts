import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** A request, as far as it shows who asks. */
export interface AskingRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export const SESSION_COOKIE = 'fast_litellm_dashboard';
const SESSION_MS = 12 * 3_600_000;

/** Who may look. Without a token, everybody. */
export class DashboardAccess {
  constructor(
    private readonly token: string | null,
    private readonly now: () => number = Date.now,
  ) {}

  /** Whether anybody has to show anything at all. */
  get isGuarded(): boolean {
    return this.token !== null;
  }

  /** By the header or by the cookie of a session. */
  admits(request: AskingRequest): boolean {
    if (this.token === null) return true;
    const [, bearer] = /^bearer (.+)$/i.exec(String(request.headers.authorization ?? '')) ?? [];
    return (bearer !== undefined && this.isToken(bearer)) || this.hasSession(request);
  }

  /** By the cookie alone. */
  hasSession(request: AskingRequest): boolean {
    return this.token !== null && this.isSession(cookieOf(request, SESSION_COOKIE));
  }

  /** In constant time, whatever the lengths. */
  isToken(given: unknown): boolean {
    return this.token !== null && typeof given === 'string' && equal(given, this.token);
  }

  /** A new session: when it ends, signed with the token, so that processes with the same token know it and a new token ends it. */
  openSession(): string {
    const endMs = String(this.now() + SESSION_MS);
    return `${endMs}.${this.sign(endMs)}`;
  }

  /** The header that gives a browser its session, or takes it back (`null`). */
  cookie(session: string | null, isSecure: boolean): string {
    const maxAge = session === null ? 0 : SESSION_MS / 1000;
    return `${SESSION_COOKIE}=${session ?? ''}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAge}${isSecure ? '; Secure' : ''}`;
  }

  private isSession(cookie: string | undefined): boolean {
    const [, endMs, signature] = /^(\d{1,15})\.([\w-]{43})$/.exec(cookie ?? '') ?? [];
    return endMs !== undefined && equal(signature, this.sign(endMs)) && Number(endMs) > this.now();
  }

  private sign(text: string): string {
    return createHmac('sha256', `session of ${this.token}`).update(text).digest('base64url');
  }
}

function equal(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function cookieOf({ headers }: AskingRequest, name: string): string | undefined {
  for (const pair of String(headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}
