import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { EndedSessions, type DashboardSession } from './ended-sessions.js';

/** A request, as far as it shows who asks. */
export interface AskingRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export const SESSION_COOKIE = 'fast_litellm_dashboard';
const SESSION_MS = 12 * 3_600_000;
/** End, id of 96 bits and signature of 160. */
const SESSION = /^(\d{1,15})\.([\w-]{16})([\w-]{27})$/;

/** Who may look. Without a token, everybody. */
export class DashboardAccess {
  private readonly ended = new EndedSessions();

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
    return this.sessionOf(request) !== undefined;
  }

  /** The session of the request's cookie, unless it is over, was logged out here or is made up. */
  sessionOf(request: AskingRequest): DashboardSession | undefined {
    if (this.token === null) return undefined;
    const [, end, id, signature] = SESSION.exec(cookieOf(request, SESSION_COOKIE) ?? '') ?? [];
    if (end === undefined || !equal(signature, this.sign(`${end}.${id}`))) return undefined;
    const session = { id, endMs: Number(end) };
    return session.endMs > this.now() && !this.ended.has(session) ? session : undefined;
  }

  /** Logs the request's session out: whoever has a copy of its cookie gets no further. */
  endSession(request: AskingRequest): DashboardSession | undefined {
    const session = this.sessionOf(request);
    if (session !== undefined) this.ended.add(session, this.now());
    return session;
  }

  /** In constant time, whatever the lengths. */
  isToken(given: unknown): boolean {
    return this.token !== null && typeof given === 'string' && equal(given, this.token);
  }

  /** A new session: its end and id, signed with the token, so that processes with the same token know it and a new token ends it. */
  openSession(): string {
    const end = String(this.now() + SESSION_MS);
    const id = randomBytes(12).toString('base64url');
    return `${end}.${id}${this.sign(`${end}.${id}`)}`;
  }

  /** The header that gives a browser its session, or takes it back (`null`). */
  cookie(session: string | null, isSecure: boolean): string {
    const maxAge = session === null ? 0 : SESSION_MS / 1000;
    return `${SESSION_COOKIE}=${session ?? ''}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${maxAge}${isSecure ? '; Secure' : ''}`;
  }

  private sign(text: string): string {
    return createHmac('sha256', `session of ${this.token}`).update(text).digest().subarray(0, 20).toString('base64url');
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
